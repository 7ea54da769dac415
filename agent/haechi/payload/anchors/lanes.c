/* Marked positions, and fingerprints of blocks. Compiled twice: see anchors.h.
 *
 *   mark(i) = sum over (o, k) in TAPS of (byte(i - o) + 256 * byte(i - o + 1)) * k, modulo 2^16
 *   i is marked iff 2^15 <= mark(i) < 2^15 + MARKS: one position in 512
 *
 * Sixteen-bit sums of a few products are what vector units do best: neighbours are worked out side by side.
 */
#include "anchors.h"

#if !__has_include(<xxhash.h>)
#error "xxhash.h is missing. Install libxxhash-dev (Debian, Ubuntu) or xxhash-devel (Fedora): it is needed to compile only."
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#ifndef LANES
#define LANES lanes_plain
#define NAME "plain"
#define WIDTH 16
#endif

/* The highest bit of every byte. */
#if WIDTH == 32
#include <immintrin.h>
#define BITS(words) ((uint32_t)_mm256_movemask_epi8((__m256i)(words)))
#elif defined(__SSE2__)
#include <emmintrin.h>
#define BITS(words) ((uint32_t)_mm_movemask_epi8((__m128i)(words)))
#else
#define BITS(words) bits(words)
#endif

#define MARKS 128
#define STEP 64 /* positions worked out at once */

/* Spread over the 64 bytes that end at a position, so that neighbouring contexts differ in most of them. */
static const struct { int64_t back; uint16_t factor; } TAPS[] = {{1, 0x9E37}, {6, 0x79B9}, {15, 0x85EB}, {28, 0xCA6B}};
#define TAP_COUNT ((int)(sizeof TAPS / sizeof *TAPS))

typedef uint16_t Words __attribute__((vector_size(WIDTH), aligned(1), may_alias));
typedef int16_t Signed __attribute__((vector_size(WIDTH)));

#if WIDTH == 16 && !defined(__SSE2__)
static inline uint32_t bits(Words words) {
    uint8_t bytes[WIDTH];
    uint32_t found = 0;
    memcpy(bytes, &words, WIDTH);
    for (int j = 0; j < WIDTH; j++) found |= (uint32_t)(bytes[j] >> 7) << j;
    return found;
}
#endif

static inline int is_marked(const uint8_t *data, int64_t i) {
    uint16_t mark = 0;
    for (int t = 0; t < TAP_COUNT; t++) {
        const uint8_t *at = data + i - TAPS[t].back;
        mark = (uint16_t)(mark + (uint32_t)(at[0] | at[1] << 8) * TAPS[t].factor);
    }
    return mark >= 0x8000 && mark < 0x8000 + MARKS;
}

/* All bits of a word are set where the position is marked: position i in the first word, i + 2 in the second … */
static inline Words every_second(const uint8_t *at) {
    Words mark = {0};
    for (int t = 0; t < TAP_COUNT; t++) mark += *(const Words *)(at - TAPS[t].back) * TAPS[t].factor;
    return (Words)((Signed)mark < (int16_t)(INT16_MIN + MARKS));
}

/* One bit a position of the STEP positions from `at` on. */
static inline uint64_t marks_from(const uint8_t *at) {
    uint64_t marks = 0;
    for (int j = 0; j < STEP; j += WIDTH) {
        Words both = (every_second(at + j) & 0x00FF) | (every_second(at + j + 1) & 0xFF00); /* a byte a position */
        marks |= (uint64_t)BITS(both) << j;
    }
    return marks;
}

static size_t marked(const uint8_t *data, int64_t first, int64_t last, uint32_t *out) {
    size_t count = 0;
    int64_t i = first;
    for (; i + STEP - 1 <= last; i += STEP) {
        uint64_t marks = marks_from(data + i);
        /* Written and then counted or not: whether there is one cannot be foreseen, and a branch would often err. */
        out[count] = (uint32_t)(i + __builtin_ctzll(marks | 1ULL << (STEP - 1)));
        count += marks != 0;
        while (__builtin_expect((marks &= marks - 1) != 0, 0)) out[count++] = (uint32_t)(i + __builtin_ctzll(marks));
    }
    for (; i <= last; i++)
        if (is_marked(data, i)) out[count++] = (uint32_t)i;
    return count;
}

static uint64_t print(const uint8_t *data, size_t size, uint64_t seed) { return XXH3_64bits_withSeed(data, size, seed); }

const Lanes LANES = {NAME, marked, print};
