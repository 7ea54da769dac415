/* Winnowed anchors in a buffer, and the table of fingerprints that is asked for every block.
 *
 * The definition, which tests/unit/content compares with a naive one:
 *   hash(i)   = sum of gear[byte(i - k)] << k for k in 0..63, modulo 2^64: the 64 bytes that end at i
 *   periodic(i) iff bytes i-63 .. i equal bytes i-63-d .. i-d for some d in 1..32
 *   an anchor is the rightmost least hash among the positions of some window of w that are not periodic.
 * All of it depends on the 96 bytes that end at a position, so equal bytes give equal anchors wherever they lie.
 *
 * How it is fast: only positions with a hash below LIKELY are kept (one in 512); whether one of them is an anchor follows
 * from its distance to the nearest smaller ones. Windows that hold none of them are worked out in full.
 * The interpreter's lock is released while a buffer is searched. Nothing here knows of tags, files or uploads.
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REACH 64
#define LONGEST_PERIOD 32
#define CONTEXT (REACH + LONGEST_PERIOD)
#define LIKELY ((uint64_t)1 << 55)
#define NOWHERE (-1)

static uint64_t gear[256];

/* splitmix64 from a documented constant: the first 64 bits of the fraction of pi. */
static void fill_gear(void) {
    uint64_t state = 0x243F6A8885A308D3ULL;
    for (int i = 0; i < 256; i++) {
        uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        gear[i] = z ^ (z >> 31);
    }
}

typedef struct { int64_t at; uint64_t hash; } Spot;
typedef struct { Spot *items; size_t count, room; } Spots;
typedef struct { uint32_t *items; size_t count, room; int64_t last; } Found;

static int keep(Spots *spots, int64_t at, uint64_t hash) {
    if (spots->count == spots->room) {
        size_t room = spots->room ? spots->room * 2 : 8192;
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
        size_t room = found->room ? found->room * 2 : 1024;
        uint32_t *grown = realloc(found->items, room * sizeof(uint32_t));
        if (!grown) return -1;
        found->items = grown;
        found->room = room;
    }
    found->items[found->count++] = (uint32_t)at;
    return 0;
}

static inline uint64_t eight(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* The period, 0 for none. Needs CONTEXT - 1 bytes before i. */
static int period_at(const uint8_t *data, int64_t i) {
    const uint8_t *end = data + i - 7;
    uint64_t tail = eight(end);
    for (int d = 1; d <= LONGEST_PERIOD; d++)
        if (eight(end - d) == tail && !memcmp(data + i - 63, data + i - 63 - d, REACH)) return d;
    return 0;
}

static inline uint64_t hash_at(const uint8_t *data, int64_t i) {
    uint64_t hash = 0;
    for (int64_t k = i - (REACH - 1); k <= i; k++) hash = (hash << 1) + gear[data[k]];
    return hash;
}

/* One of the two halves that are searched side by side, so that the processor need not wait for one chain of hashes. */
typedef struct { int64_t i, last; uint64_t hash; Spots spots; } Lane;

/* The next four positions (or the last few) one by one. */
static int slowly(const uint8_t *data, Lane *lane) {
    int64_t upto = lane->i + 3 < lane->last ? lane->i + 3 : lane->last;
    for (; lane->i <= upto; lane->i++) {
        int64_t i = lane->i;
        lane->hash = (lane->hash << 1) + gear[data[i]];
        if (lane->hash >= LIKELY) continue;
        int d = period_at(data, i);
        if (!d) {
            if (keep(&lane->spots, i, lane->hash)) return -1;
            continue;
        }
        /* Periodic as far as the run goes: none of it counts, so it is skipped. */
        for (i++; i <= lane->last && data[i] == data[i - d];) i++;
        lane->i = i;
        lane->hash = hash_at(data, i - 1);
        return 0;
    }
    return 0;
}

/* Every likely position of first..last that is not periodic. */
static int likely(const uint8_t *data, int64_t first, int64_t last, Spots *spots) {
    int64_t middle = first + (last - first) / 2;
    Lane one = {first, middle, hash_at(data, first - 1), {0}};
    Lane two = {middle + 1, last, hash_at(data, middle), {0}};
    int failed = 0;
#define STEP(lane, h, at)                                                             \
    do {                                                                              \
        uint64_t a = (h << 1) + gear[data[at]];                                       \
        uint64_t b = (a << 1) + gear[data[at + 1]];                                   \
        uint64_t c = (b << 1) + gear[data[at + 2]];                                   \
        uint64_t d = (c << 1) + gear[data[at + 3]];                                   \
        if (__builtin_expect(a < LIKELY || b < LIKELY || c < LIKELY || d < LIKELY, 0)) { \
            lane.i = at;                                                              \
            lane.hash = h;                                                            \
            failed |= slowly(data, &lane);                                            \
            at = lane.i;                                                              \
            h = lane.hash;                                                            \
        } else {                                                                      \
            h = d;                                                                    \
            at += 4;                                                                  \
        }                                                                             \
    } while (0)
    int64_t i = one.i, j = two.i;
    uint64_t h = one.hash, g = two.hash;
    while (i + 3 <= one.last && j + 3 <= two.last && !failed) {
        STEP(one, h, i);
        STEP(two, g, j);
    }
    one.i = i, one.hash = h, two.i = j, two.hash = g;
    while (!failed && one.i <= one.last) failed = slowly(data, &one);
    while (!failed && two.i <= two.last) failed = slowly(data, &two);
    *spots = one.spots;
    for (size_t k = 0; k < two.spots.count && !failed; k++) failed = keep(spots, two.spots.items[k].at, two.spots.items[k].hash);
    free(two.spots.items);
    return failed;
}

/* Windows inside first..last none of which holds a likely position: block-wise running minima from both sides.
 * `scratch` has room for w spots. */
static int in_full(const uint8_t *data, int64_t first, int64_t last, int64_t w, Spot *scratch, Found *found) {
    for (int64_t block = first; block + w - 1 <= last; block += w) {
        int d = period_at(data, block);
        if (d) { /* windows inside one periodic run hold no anchor: long runs of zeros pass quickly */
            int64_t end = block + 1;
            while (end <= last && data[end] == data[end - d]) end++;
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
        if (scratch[0].at != NOWHERE && emit(found, scratch[0].at)) return -1;
        Spot right = {NOWHERE, 0};
        hash = hash_at(data, block + w - 1);
        for (int64_t j = 1; j < w && block + w + j - 1 <= last; j++) {
            int64_t i = block + w + j - 1;
            hash = (hash << 1) + gear[data[i]];
            if ((right.at == NOWHERE || hash <= right.hash) && !period_at(data, i)) right = (Spot){i, hash};
            Spot left = scratch[j];
            int64_t at = right.at != NOWHERE && (left.at == NOWHERE || right.hash <= left.hash) ? right.at : left.at;
            if (at != NOWHERE && emit(found, at)) return -1;
        }
    }
    return 0;
}

static int search(const uint8_t *data, int64_t first, int64_t last, int64_t w, Found *found) {
    Spots spots = {0};
    int failed = -1;
    int64_t *left = NULL, *right = NULL;
    size_t *stack = NULL;
    Spot *scratch = malloc((size_t)w * sizeof(Spot));
    if (!scratch || likely(data, first, last, &spots)) goto done;
    size_t n = spots.count;
    left = malloc((n + 1) * sizeof *left);
    right = malloc((n + 1) * sizeof *right);
    stack = malloc((n + 1) * sizeof *stack);
    if (!left || !right || !stack) goto done;
    size_t depth = 0;
    for (size_t k = 0; k < n; k++) {
        while (depth && spots.items[stack[depth - 1]].hash >= spots.items[k].hash) right[stack[--depth]] = spots.items[k].at;
        left[k] = depth ? spots.items[stack[depth - 1]].at : first - 1;
        stack[depth++] = k;
    }
    while (depth) right[stack[--depth]] = last + 1;
    int64_t before = first - 1;
    for (size_t k = 0; k <= n; k++) {
        int64_t at = k < n ? spots.items[k].at : last + 1;
        if (at - before > w && in_full(data, before + 1, at - 1, w, scratch, found)) goto done;
        if (k < n && right[k] - left[k] > w && emit(found, at)) goto done;
        before = at;
    }
    failed = 0;
done:
    free(spots.items);
    free(scratch);
    free(left);
    free(right);
    free(stack);
    return failed;
}

static PyObject *py_search(PyObject *module, PyObject *args) {
    Py_buffer view;
    Py_ssize_t first, w, after;
    if (!PyArg_ParseTuple(args, "y*nnn", &view, &first, &w, &after)) return NULL;
    if (first < CONTEXT - 1 || w < 1 || view.len > (Py_ssize_t)1 << 30) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_ValueError, "a search begins at %d or later, in at most 1 GiB", CONTEXT - 1);
    }
    Found found = {0};
    found.last = after;
    int failed = 0;
    if (view.len - first >= w) {
        Py_BEGIN_ALLOW_THREADS
        failed = search(view.buf, first, view.len - 1, w, &found);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    PyObject *result = failed ? PyErr_NoMemory()
                              : PyBytes_FromStringAndSize((char *)found.items, (Py_ssize_t)(found.count * sizeof(uint32_t)));
    free(found.items);
    return result;
}

static int is_blank(const uint8_t *data, Py_ssize_t size) {
    int blank = size == 0;
    for (Py_ssize_t d = 1; d <= LONGEST_PERIOD && d <= size && !blank; d++)
        blank = d == size || (data[0] == data[d] && !memcmp(data, data + d, (size_t)(size - d)));
    return blank;
}

static PyObject *py_blank(PyObject *module, PyObject *args) {
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "y*", &view)) return NULL;
    int blank = is_blank(view.buf, view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(blank);
}

static PyObject *py_blanks(PyObject *module, PyObject *args) {
    Py_buffer view, starts;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "y*y*n", &view, &starts, &size)) return NULL;
    PyObject *blanks = PyList_New(0);
    for (Py_ssize_t i = 0; i < starts.len / 4 && blanks; i++) {
        Py_ssize_t at = (Py_ssize_t)((uint32_t *)starts.buf)[i];
        if (at + size > view.len || !is_blank((uint8_t *)view.buf + at, size)) continue;
        PyObject *index = PyLong_FromSsize_t(i);
        if (!index || PyList_Append(blanks, index)) Py_CLEAR(blanks);
        Py_XDECREF(index);
    }
    PyBuffer_Release(&view);
    PyBuffer_Release(&starts);
    return blanks;
}

/* --- the table: 64-bit keys, 32-bit values, 12 bytes a slot, several values under one key ------------------------- */

typedef struct {
    PyObject_HEAD
    uint64_t *keys; /* 0 marks a free slot; a key of 0 is stored as 1 */
    uint32_t *values;
    uint64_t slots, used;
} Table;

static inline uint64_t mixed(uint64_t key, uint64_t nth) {
    key += nth * 0x9E3779B97F4A7C15ULL;
    return key ? key : 1;
}

static inline uint64_t slot_of(const Table *table, uint64_t key) {
    uint64_t spread = key * 0xD6E8FEB86659FD93ULL;
    spread ^= spread >> 32;
    spread *= 0xD6E8FEB86659FD93ULL;
    return (uint64_t)(((unsigned __int128)spread * table->slots) >> 64);
}

static inline uint64_t seek(const Table *table, uint64_t key) {
    uint64_t slot = slot_of(table, key);
    while (table->keys[slot] && table->keys[slot] != key)
        if (++slot == table->slots) slot = 0;
    return slot;
}

static int grow(Table *table, uint64_t wanted) {
    Table larger = *table;
    larger.slots = wanted;
    larger.keys = calloc(wanted, sizeof(uint64_t));
    larger.values = malloc(wanted * sizeof(uint32_t));
    if (!larger.keys || !larger.values) {
        free(larger.keys);
        free(larger.values);
        PyErr_NoMemory();
        return -1;
    }
    for (uint64_t i = 0; i < table->slots; i++)
        if (table->keys[i]) {
            uint64_t slot = seek(&larger, table->keys[i]);
            larger.keys[slot] = table->keys[i];
            larger.values[slot] = table->values[i];
        }
    free(table->keys);
    free(table->values);
    table->keys = larger.keys;
    table->values = larger.values;
    table->slots = larger.slots;
    return 0;
}

static int put(Table *table, uint64_t key, uint32_t value) {
    if ((table->used + 1) * 5 > table->slots * 4 && grow(table, table->slots + table->slots / 3 + 64)) return -1;
    for (uint64_t nth = 0;; nth++) {
        uint64_t wanted = mixed(key, nth);
        uint64_t slot = seek(table, wanted);
        if (!table->keys[slot]) {
            table->keys[slot] = wanted;
            table->values[slot] = value;
            table->used++;
            return 0;
        }
        if (table->values[slot] == value) return 0;
    }
}

static PyObject *table_add(PyObject *self, PyObject *args) {
    Table *table = (Table *)self;
    Py_buffer keys, values;
    if (!PyArg_ParseTuple(args, "y*y*", &keys, &values)) return NULL;
    int failed = keys.len % 8 || keys.len / 8 != values.len / 4;
    if (failed) PyErr_SetString(PyExc_ValueError, "as many 64-bit keys as 32-bit values are needed");
    for (Py_ssize_t i = 0; i < keys.len / 8 && !failed; i++)
        failed = put(table, eight((uint8_t *)keys.buf + 8 * i), ((uint32_t *)values.buf)[i]);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&values);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyObject *table_fresh(PyObject *self, PyObject *args) {
    Table *table = (Table *)self;
    Py_buffer keys;
    if (!PyArg_ParseTuple(args, "y*", &keys)) return NULL;
    PyObject *fresh = PyList_New(0);
    for (Py_ssize_t i = 0; i < keys.len / 8 && fresh; i++) {
        uint64_t before = table->used;
        PyObject *index = put(table, eight((uint8_t *)keys.buf + 8 * i), 0) ? NULL : PyLong_FromSsize_t(i);
        if (!index || (table->used != before && PyList_Append(fresh, index))) Py_CLEAR(fresh);
        Py_XDECREF(index);
    }
    PyBuffer_Release(&keys);
    return fresh;
}

static PyObject *table_hits(PyObject *self, PyObject *args) {
    Table *table = (Table *)self;
    Py_buffer keys;
    if (!PyArg_ParseTuple(args, "y*", &keys)) return NULL;
    PyObject *hits = PyList_New(0);
    for (Py_ssize_t i = 0; i < keys.len / 8 && hits; i++)
        for (uint64_t nth = 0;; nth++) {
            uint64_t slot = seek(table, mixed(eight((uint8_t *)keys.buf + 8 * i), nth));
            if (!table->keys[slot]) break;
            PyObject *pair = Py_BuildValue("(nk)", i, (unsigned long)table->values[slot]);
            if (!pair || PyList_Append(hits, pair)) Py_CLEAR(hits);
            Py_XDECREF(pair);
            if (!hits) break;
        }
    PyBuffer_Release(&keys);
    return hits;
}

static Py_ssize_t table_len(PyObject *self) { return (Py_ssize_t)((Table *)self)->used; }

static PyObject *table_bytes(PyObject *self, void *unused) {
    return PyLong_FromUnsignedLongLong(((Table *)self)->slots * 12);
}

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    Table *table = (Table *)PyType_GenericNew(type, args, kwargs);
    if (!table) return NULL;
    table->keys = NULL;
    table->values = NULL;
    table->slots = table->used = 0;
    if (grow(table, 64)) {
        Py_DECREF(table);
        return NULL;
    }
    return (PyObject *)table;
}

static void table_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    free(((Table *)self)->keys);
    free(((Table *)self)->values);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef table_methods[] = {
    {"add", table_add, METH_VARARGS, "add(keys, values): 64-bit keys and 32-bit values, packed; equal pairs are kept once"},
    {"fresh", table_fresh, METH_VARARGS, "fresh(keys) -> [index]: the keys that were not known, now added with the value 0"},
    {"hits", table_hits, METH_VARARGS, "hits(keys) -> [(index of the key, value)]: every value of every key that is known"},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef table_getters[] = {{"nbytes", table_bytes, NULL, "bytes held", NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot table_slots[] = {
    {Py_tp_new, table_new},         {Py_tp_dealloc, table_dealloc}, {Py_tp_methods, table_methods},
    {Py_tp_getset, table_getters},  {Py_mp_length, table_len},      {Py_sq_length, table_len},
    {Py_tp_doc, "64-bit keys with 32-bit values"},                  {0, NULL},
};
static PyType_Spec table_spec = {"haechi.payload.anchors._anchors.Table", sizeof(Table), 0, Py_TPFLAGS_DEFAULT, table_slots};

static PyMethodDef methods[] = {
    {"search", py_search, METH_VARARGS,
     "search(data, first, w, after) -> packed uint32: anchors beyond `after` of all windows that lie in first..end"},
    {"blank", py_blank, METH_VARARGS, "blank(data) -> bool: whether all of it has one period of at most 32 bytes"},
    {"blanks", py_blanks, METH_VARARGS,
     "blanks(data, starts, size) -> [index]: which blocks of this size (starts: packed uint32) are blank"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_anchors", "Winnowed anchors and the fingerprint table", -1, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__anchors(void) {
    fill_gear();
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    PyObject *type = PyType_FromSpec(&table_spec);
    PyObject *table = PyList_New(256);
    if (!type || !table) return NULL;
    for (Py_ssize_t i = 0; i < 256; i++) PyList_SetItem(table, i, PyLong_FromUnsignedLongLong(gear[i]));
    if (PyModule_AddObjectRef(module, "Table", type) || PyModule_AddObjectRef(module, "GEAR", table)) return NULL;
    Py_DECREF(type);
    Py_DECREF(table);
    return module;
}
