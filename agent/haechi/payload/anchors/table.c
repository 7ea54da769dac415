/* The table of fingerprints: 64-bit keys, 32-bit values, 12 bytes a slot, several values under one key.
 *
 * Every call keeps the interpreter's lock: whoever adds on one thread never disturbs who asks on another.
 */
#include "types.h"

#include <stdlib.h>

#include "anchors.h"

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

static uint64_t larger_than(const Table *table) { return table->slots + table->slots / 3 + 64; }

static int put(Table *table, uint64_t key, uint32_t value) {
    if ((table->used + 1) * 5 > table->slots * 4 && grow(table, larger_than(table))) return -1;
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
    uint64_t needed = (table->used + (uint64_t)keys.len / 8) * 5 / 4 + 64;
    if (failed) PyErr_SetString(PyExc_ValueError, "as many 64-bit keys as 32-bit values are needed");
    else if (needed > table->slots) /* at once, instead of a third more several times */
        failed = grow(table, needed > larger_than(table) ? needed : larger_than(table));
    for (Py_ssize_t i = 0; i < keys.len / 8 && !failed; i++)
        failed = put(table, eight((uint8_t *)keys.buf + 8 * i), ((uint32_t *)values.buf)[i]);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&values);
    if (failed) return NULL;
    Py_RETURN_NONE;
}

static PyObject *table_distinct(PyObject *self, PyObject *args) {
    Table *table = (Table *)self;
    Py_buffer keys, places;
    unsigned long long unit;
    if (!PyArg_ParseTuple(args, "y*y*K", &keys, &places, &unit)) return NULL;
    PyObject *pair = NULL;
    size_t count = (size_t)keys.len / 8, kept = 0;
    uint64_t *new_keys = malloc(count * 8 + 1);
    uint32_t *units = malloc(count * 4 + 1);
    int failed = 0;
    if (keys.len % 8 || keys.len != places.len || !unit) {
        PyErr_SetString(PyExc_ValueError, "as many 64-bit places as 64-bit keys are needed, and a unit");
    } else if (!new_keys || !units) {
        PyErr_NoMemory();
    } else {
        for (size_t i = 0; i < count && !failed; i++) {
            uint64_t before = table->used, key = eight((uint8_t *)keys.buf + 8 * i);
            failed = put(table, key, 0);
            if (table->used == before) continue;
            new_keys[kept] = key;
            units[kept++] = (uint32_t)(eight((uint8_t *)places.buf + 8 * i) / unit);
        }
        if (!failed) pair = Py_BuildValue("y#y#", (char *)new_keys, (Py_ssize_t)(kept * 8), (char *)units, (Py_ssize_t)(kept * 4));
    }
    free(new_keys);
    free(units);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&places);
    return pair;
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
    {"distinct", table_distinct, METH_VARARGS,
     "distinct(keys, places, unit) -> (keys, units): packed, those that were not known and are now, with place // unit"},
    {"hits", table_hits, METH_VARARGS, "hits(keys) -> [(index of the key, value)]: every value of every key that is known"},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef table_getters[] = {{"nbytes", table_bytes, NULL, "bytes held", NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot table_slots[] = {
    {Py_tp_new, table_new},         {Py_tp_dealloc, table_dealloc}, {Py_tp_methods, table_methods},
    {Py_tp_getset, table_getters},  {Py_mp_length, table_len},      {Py_sq_length, table_len},
    {Py_tp_doc, "64-bit keys with 32-bit values"},                  {0, NULL},
};
PyType_Spec table_spec = {"haechi.payload.anchors._anchors.Table", sizeof(Table), 0, Py_TPFLAGS_DEFAULT, table_slots};
