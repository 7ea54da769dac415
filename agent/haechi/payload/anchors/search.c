/* Winnowed anchors in a buffer.
 *
 * The definition, which tests/unit/content compares with a naive one:
 *   hash(i)   = sum of gear[byte(i - k)] << k for k in 0..63, modulo 2^64: the 64 bytes that end at i
 *   marked(i)   is said in lanes.c, of some of these bytes
 *   periodic(i) iff bytes i-63 .. i equal bytes i-63-d .. i-d for some d in 1..32
 *   an anchor is the rightmost position with the least hash in some window of w, among those that are marked and not
 *   periodic; in a window without any, among those that are not periodic.
 * All of it depends on the 96 bytes that end at a position, so equal bytes give equal anchors wherever they lie.
 *
 * How it is fast: only marked positions (one in 512) are hashed; whether one of them is an anchor follows from its distance
 * to the nearest smaller ones. Stretches without any are hashed at every byte, and the same is done with the positions of a
 * low hash. What then is left (few positions between periodic runs, mostly) is worked out in full.
 */
#include "anchors.h"

#include <stdlib.h>

#define NOWHERE (-1)
#define SPAN 4096 /* positions whose marks are asked for at once */
#define LOW ((uint64_t)1 << 58) /* one hash in 64 is lower */

uint64_t gear[256];

/* splitmix64 from a documented constant: the first 64 bits of the fraction of pi. */
void fill_gear(void) {
    uint64_t state = 0x243F6A8885A308D3ULL;
    for (int i = 0; i < 256; i++) {
        uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        gear[i] = z ^ (z >> 31);
    }
}

const Lanes *lanes_named(const char *name) {
#ifdef __x86_64__
    int has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
    if (has && (!name || !strcmp(name, lanes_avx2.name))) return &lanes_avx2;
#endif
    return !name || !strcmp(name, lanes_plain.name) ? &lanes_plain : NULL;
}

typedef struct { int64_t at; uint64_t hash; } Spot;
typedef struct { Spot *items; size_t count, room; } Spots;

static int keep(Spots *spots, int64_t at, uint64_t hash) {
    if (spots->count == spots->room) {
        size_t room = spots->room ? spots->room * 2 : 1024;
        Spot *grown = realloc(spots->items, room * sizeof(Spot));
        if (!grown) return -1;
        spots->items = grown;
        spots->room = room;
    }
    spots->items[spots->count++] = (Spot){at, hash};
    return 0;
}

static int emit(Found *found, int64_t at) {
    if (at <= found->last) return 0;
    found->last = at;
    if (found->count == found->room) {
        size_t room = found->room ? found->room * 2 : 256;
        uint32_t *grown = realloc(found->items, room * sizeof(uint32_t));
        if (!grown) return -1;
        found->items = grown;
        found->room = room;
    }
    found->items[found->count++] = (uint32_t)at;
    return 0;
}

/* How many bytes up to i are the same as those `period` before, REACH at most. Needs CONTEXT - 1 bytes before i. */
static int repeated(const uint8_t *data, int64_t i, int period) {
    int run = 0;
    while (run < REACH && eight(data + i - run - 7) == eight(data + i - run - 7 - period)) run += 8;
    while (run < REACH && data[i - run] == data[i - run - period]) run++;
    return run;
}

/* The period, 0 for none.
 *
 * Where the last bytes repeat after d but not all REACH of them, no longer period up to the length of that run is one of all:
 * by Fine and Wilf, the run would have the greatest common divisor of both as its period, and all the rest with it.
 */
static __attribute__((noinline)) int tried_periods(const uint8_t *data, int64_t i) {
    uint64_t tail = eight(data + i - 7);
    for (int d = 1; d <= LONGEST_PERIOD; d++) {
        if (eight(data + i - 7 - d) != tail) continue;
        int run = repeated(data, i, d);
        if (run == REACH) return d;
        if (run > d) d = run;
    }
    return 0;
}

/* The same, where mostly none of the bytes before is like the one at i. Needs CONTEXT - 1 bytes before i. */
static inline int period_at(const uint8_t *data, int64_t i) {
    const uint64_t ones = 0x0101010101010101ULL, highest = ones << 7, last = data[i] * ones;
    uint64_t equal = 0;
    for (int d = 8; d <= LONGEST_PERIOD; d += 8) {
        uint64_t differ = eight(data + i - d) ^ last;
        equal |= (differ - ones) & ~differ & highest;
    }
    return equal ? tried_periods(data, i) : 0;
}

/* The first position from `from` on that does not go on with a period, at most last + 1. */
static int64_t run_end(const uint8_t *data, int64_t from, int64_t last, int period) {
    while (from + 7 <= last && eight(data + from) == eight(data + from - period)) from += 8;
    while (from <= last && data[from] == data[from - period]) from++;
    return from;
}

static inline uint64_t rolled(uint64_t hash, const uint8_t *from, const uint8_t *end) {
    for (; from < end; from++) hash = (hash << 1) + gear[*from];
    return hash;
}

/* Four chains, so that the processor need not wait for one. */
static inline uint64_t hash_at(const uint8_t *data, int64_t i) {
    const uint8_t *at = data + i - (REACH - 1);
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (int k = 0; k < REACH / 4; k++) {
        a = (a << 1) + gear[at[k]];
        b = (b << 1) + gear[at[k + 16]];
        c = (c << 1) + gear[at[k + 32]];
        d = (d << 1) + gear[at[k + 48]];
    }
    return (a << 48) + (b << 32) + (c << 16) + d;
}

/* Every marked position of first..last that is not periodic. */
static int marked_spots(const Lanes *lanes, const uint8_t *data, int64_t first, int64_t last, Spots *spots) {
    uint32_t marked[SPAN];
    int64_t hashed = first - REACH; /* the position that `hash` is of */
    uint64_t hash = 0;
    for (int64_t from = first; from <= last;) {
        int64_t upto = from + SPAN - 1 < last ? from + SPAN - 1 : last;
        size_t count = lanes->marked(data, from, upto, marked);
        from = upto + 1;
        int64_t clear = 0; /* positions before it lie in a periodic run: none of them counts */
        for (size_t k = 0; k < count; k++) {
            int64_t i = marked[k];
            if (i < clear) continue;
            int d = period_at(data, i);
            if (d) {
                clear = run_end(data, i + 1, last, d);
                continue;
            }
            hash = i - hashed < REACH / 2 ? rolled(hash, data + hashed + 1, data + i + 1) : hash_at(data, i);
            hashed = i;
            if (keep(spots, i, hash)) return -1;
        }
        if (clear > from) from = clear;
    }
    return 0;
}

/* Every position of first..last with a low hash that is not periodic. */
static int low_spots(const uint8_t *data, int64_t first, int64_t last, Spots *spots) {
    uint64_t hash = hash_at(data, first - 1);
    for (int64_t from = first; from <= last;) {
        int d = period_at(data, from);
        if (d) { /* long runs of zeros pass quickly */
            from = run_end(data, from + 1, last, d);
            hash = hash_at(data, from - 1);
            continue;
        }
        int64_t upto = from + 4 * REACH - 1 < last ? from + 4 * REACH - 1 : last;
        for (; from <= upto; from++) {
            hash = (hash << 1) + gear[data[from]];
            if (hash < LOW && !period_at(data, from) && keep(spots, from, hash)) return -1;
        }
    }
    return 0;
}

/* Windows inside first..last: block-wise running minima from both sides. */
static int in_full(const uint8_t *data, int64_t first, int64_t last, int64_t w, Found *found) {
    Spot *scratch = malloc((size_t)w * sizeof(Spot));
    if (!scratch) return -1;
    int failed = 0;
    for (int64_t block = first; block + w - 1 <= last && !failed; block += w) {
        int d = period_at(data, block);
        if (d) { /* windows inside one periodic run hold no anchor */
            int64_t end = run_end(data, block + 1, last, d);
            if (end - w >= block) {
                block = end - w + 1 - w; /* the loop adds w */
                continue;
            }
        }
        uint64_t hash = hash_at(data, block - 1);
        for (int64_t j = 0; j < w; j++) {
            hash = (hash << 1) + gear[data[block + j]];
            scratch[j].hash = hash;
        }
        Spot least = {NOWHERE, 0};
        for (int64_t j = w - 1; j >= 0; j--) {
            uint64_t here = scratch[j].hash;
            if ((least.at == NOWHERE || here < least.hash) && !period_at(data, block + j)) least = (Spot){block + j, here};
            scratch[j] = least;
        }
        failed = scratch[0].at != NOWHERE && emit(found, scratch[0].at);
        Spot right = {NOWHERE, 0};
        hash = hash_at(data, block + w - 1);
        for (int64_t j = 1; j < w && block + w + j - 1 <= last && !failed; j++) {
            int64_t i = block + w + j - 1;
            hash = (hash << 1) + gear[data[i]];
            if ((right.at == NOWHERE || hash <= right.hash) && !period_at(data, i)) right = (Spot){i, hash};
            Spot left = scratch[j];
            int64_t at = right.at != NOWHERE && (left.at == NOWHERE || right.hash <= left.hash) ? right.at : left.at;
            failed = at != NOWHERE && emit(found, at);
        }
    }
    free(scratch);
    return failed ? -1 : 0;
}

/* Which positions are looked at. A later way is for windows that hold none of an earlier one. */
typedef enum { MARKED, LOW_HASH, IN_FULL } Way;

static int winnow(Way way, const Lanes *lanes, const uint8_t *data, int64_t first, int64_t last, int64_t w, Found *found) {
    if (way == IN_FULL) return in_full(data, first, last, w, found);
    Spots spots = {0};
    int failed = -1;
    int64_t *left = NULL, *right = NULL;
    size_t *stack = NULL;
    if (way == MARKED ? marked_spots(lanes, data, first, last, &spots) : low_spots(data, first, last, &spots)) goto done;
    size_t n = spots.count;
    left = malloc((n + 1) * sizeof *left);
    right = malloc((n + 1) * sizeof *right);
    stack = malloc((n + 1) * sizeof *stack);
    if (!left || !right || !stack) goto done;
    size_t depth = 0;
    for (size_t k = 0; k < n; k++) { /* left, right: the nearest spots that beat this one */
        while (depth && spots.items[stack[depth - 1]].hash >= spots.items[k].hash) right[stack[--depth]] = spots.items[k].at;
        left[k] = depth ? spots.items[stack[depth - 1]].at : first - 1;
        stack[depth++] = k;
    }
    while (depth) right[stack[--depth]] = last + 1;
    int64_t before = first - 1;
    for (size_t k = 0; k <= n; k++) {
        int64_t at = k < n ? spots.items[k].at : last + 1;
        if (at - before > w && winnow(way + 1, lanes, data, before + 1, at - 1, w, found)) goto done;
        if (k < n && right[k] - left[k] > w && emit(found, at)) goto done;
        before = at;
    }
    failed = 0;
done:
    free(spots.items);
    free(left);
    free(right);
    free(stack);
    return failed;
}

int search(const Lanes *lanes, const uint8_t *data, int64_t first, int64_t last, int64_t w, Found *found) {
    return winnow(MARKED, lanes, data, first, last, w, found);
}

int is_blank(const uint8_t *data, size_t size) {
    int blank = size == 0;
    for (size_t d = 1; d <= LONGEST_PERIOD && d <= size && !blank; d++)
        blank = d == size || (data[0] == data[d] && !memcmp(data, data + d, size - d));
    return blank;
}
