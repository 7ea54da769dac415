/* What the parts of the native module share. Nothing here knows of tags, files or uploads. */
#ifndef HAECHI_ANCHORS_H
#define HAECHI_ANCHORS_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "marks and fingerprints are defined on little-endian words, and this machine's are not"
#endif

#define WINDOW 4096
#define REACH 64
#define LONGEST_PERIOD 32
#define CONTEXT (REACH + LONGEST_PERIOD)

/* The part that is worth the processor's widest registers: compiled once for every processor of its family and once for
 * AVX2, from the same source (lanes.c). */
typedef struct {
    const char *name;
    /* Positions of first..last that are marked, ascending; `out` has room for all. Needs CONTEXT - 1 bytes before first. */
    size_t (*marked)(const uint8_t *data, int64_t first, int64_t last, uint32_t *out);
    /* XXH3, 64 bits. */
    uint64_t (*print)(const uint8_t *data, size_t size, uint64_t seed);
} Lanes;

extern const Lanes lanes_plain;
#ifdef __x86_64__
extern const Lanes lanes_avx2;
#endif

/* The widest that this processor has, or the one with that name; NULL where it has none. */
const Lanes *lanes_named(const char *name);

/* Anchors, ascending: relative to the bytes that were searched. None at or before `last`. */
typedef struct {
    uint32_t *items;
    size_t count, room;
    int64_t last;
} Found;

extern uint64_t gear[256];
void fill_gear(void);

/* The anchors of all windows of w positions that lie in first..last: 0, or -1 without memory. Needs CONTEXT - 1 bytes
 * before first; last < 2^31. */
int search(const Lanes *lanes, const uint8_t *data, int64_t first, int64_t last, int64_t w, Found *found);

/* Whether all of it has one period of at most LONGEST_PERIOD. */
int is_blank(const uint8_t *data, size_t size);

static inline uint64_t eight(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}
#endif
