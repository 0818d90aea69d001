#include "lookup_s8.h"

#include "rounding.h"

void lookup_s8(const void *input, void *output, uint32_t count, const uint8_t *table)
{
    const uint8_t *in = input;
    uint8_t *out = output;
    for (; count >= 4u; count -= 4u) {
        uint32_t word = load_word(in);
        uint32_t found = table[word & 0xFFu] | (uint32_t)table[word >> 8 & 0xFFu] << 8;
        found |= (uint32_t)table[word >> 16 & 0xFFu] << 16 | (uint32_t)table[word >> 24] << 24;
        store_word(out, found);
        in += 4;
        out += 4;
    }
    for (; count != 0u; count--) {
        *out++ = table[*in++];
    }
}

void flip_sign_s8(const void *input, void *output, uint32_t count)
{
    const uint8_t *in = input;
    uint8_t *out = output;
    for (; count >= 16u; count -= 16u) {
        store_word(out, load_word(in) ^ 0x80808080u);
        store_word(out + 4, load_word(in + 4) ^ 0x80808080u);
        store_word(out + 8, load_word(in + 8) ^ 0x80808080u);
        store_word(out + 12, load_word(in + 12) ^ 0x80808080u);
        in += 16;
        out += 16;
    }
    for (; count != 0u; count--) {
        *out++ = (uint8_t)(*in++ ^ 0x80u);
    }
}
