/* CONV_2D of any window: windows are widened two at a time, and multiplied with packed weights.
 *
 * weights, channels: as columns_s8.h says. Bytes of a window: of each of its kernel_h rows the whole groups of four,
 * then the bytes left over of all rows.
 * scratch: 16 * groups bytes for two columns, and the bytes of a window where one may have to be copied (it reaches
 * beyond the image, or its taps are not side by side), aligned to 8, where groups is the number of the window's bytes
 * divided by 4, rounded up.
 * The output may lie over the input if no pixel's output ends behind the first byte that a later window reads, pixels
 * taken in twos.
 */
#ifndef BENCH_CONV_2D_S8_H
#define BENCH_CONV_2D_S8_H

#include "conv_shape.h"

void conv_2d_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output, void *scratch,
                const conv_shape_t *shape);

#endif
