/* Functions of one int8 or uint8 element: activations and requantisation by table, and the change of sign bit.
 *
 * Both run upwards byte by byte or word by word: the output may lie anywhere at or below the input.
 */
#ifndef LOOKUP_S8_H
#define LOOKUP_S8_H

#include <stdint.h>

/* output[i] = table[input[i]], the stored byte being the index 0 .. 255. */
void lookup_s8(const void *input, void *output, uint32_t count, const uint8_t *table);

/* uint8 to int8 or back, where both stand for the same real value: output[i] = input[i] ^ 0x80. */
void flip_sign_s8(const void *input, void *output, uint32_t count);

#endif
