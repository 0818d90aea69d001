#include "bench_text.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

static void put(bench_line_t *line, char character)
{
    if (line->count < BENCH_LINE_CHARACTERS) {
        line->text[line->count++] = character;
    }
}

void bench_line_text(bench_line_t *line, const char *text)
{
    while (*text != '\0') {
        put(line, *text++);
    }
}

uint64_t bench_divide(uint64_t value, uint32_t divisor, uint32_t *remainder)
{
    uint64_t quotient = 0, rest = 0;
    for (int bit = 63; bit >= 0; bit--) {
        rest = rest << 1 | (value >> bit & 1u);
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
    }
    *remainder = (uint32_t)rest;
    return quotient;
}

static void put_digits(bench_line_t *line, uint64_t value, unsigned least)
{
    char digits[20]; /* 2^64 - 1 has as many */
    unsigned count = 0;
    do {
        uint32_t digit;
        value = bench_divide(value, 10, &digit);
        digits[count++] = (char)('0' + digit);
    } while (value != 0 || count < least);
    while (count != 0) {
        put(line, digits[--count]);
    }
}

void bench_line_decimal(bench_line_t *line, uint64_t value)
{
    put_digits(line, value, 1);
}

void bench_line_hex(bench_line_t *line, uint32_t value, unsigned digits)
{
    while (digits-- != 0) {
        put(line, "0123456789abcdef"[value >> 4 * digits & 15u]);
    }
}

void bench_line_thousandths(bench_line_t *line, float value)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    const uint32_t exponent = bits >> 23 & 0xFFu;
    if (exponent == 0xFFu) {
        bench_line_text(line, (bits & 0x7FFFFFu) != 0 ? "nan" : bits >> 31 != 0 ? "-inf" : "inf");
        return;
    }
    /* value = mantissa * 2^-shift; 1000 * mantissa has 34 bits, so 29 more fit on the left */
    const uint64_t mantissa = exponent != 0 ? (bits & 0x7FFFFFu) | 0x800000u : bits & 0x7FFFFFu;
    const int shift = 150 - (int)(exponent != 0 ? exponent : 1u);
    uint64_t thousandths = mantissa * 1000u;
    if (shift <= 0) {
        thousandths <<= -shift < 29 ? -shift : 29; /* beyond 2^52 the digits are those of a smaller number */
    } else if (shift > 40) {
        thousandths = 0; /* 34 bits shifted by more: less than half a thousandth */
    } else {
        const uint64_t half = 1ull << (shift - 1), rest = thousandths & ((half << 1) - 1);
        thousandths >>= shift;
        if (rest > half || (rest == half && (thousandths & 1u) != 0)) {
            thousandths++;
        }
    }
    uint32_t fraction;
    const uint64_t whole = bench_divide(thousandths, 1000, &fraction);
    if (bits >> 31 != 0) {
        put(line, '-');
    }
    put_digits(line, whole, 1);
    put(line, '.');
    put_digits(line, fraction, 3);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
