/* One stream, fed in pieces cut anywhere: where its blocks lie, and their fingerprints.
 *
 * What a later piece may still complete is kept: the bytes from the context of the next window on, less than two windows.
 * Windows that begin in them are searched in the *seam*, the kept bytes joined to the first ones of the piece; all others
 * in the piece itself, which is never copied.
 */
#include "types.h"

#include <stdlib.h>

#include "anchors.h"

#define BEFORE (CONTEXT - 1)
#define EDGE (WINDOW + BEFORE - 1) /* most bytes that are kept, and as many of the piece are joined to them */
#define STRIDE (1 << 18)           /* windows searched before their blocks are hashed: what was read is still near */

typedef struct {
    PyObject_HEAD
    uint64_t seed;
    const Lanes *lanes;
    int skip_blank, busy, failed;
    int64_t seen, next_window, last; /* places in the stream; `last` is the last anchor */
    int64_t *open;                   /* begins of blocks that are not complete, ascending */
    size_t opened, room;
    size_t kept;
    uint8_t seam[2 * EDGE];
} Winnower;

typedef struct {
    uint64_t *prints;
    int64_t *starts;
    size_t count, room;
} Blocks;

static int add_block(Blocks *blocks, int64_t start, uint64_t print) {
    if (blocks->count == blocks->room) {
        size_t room = blocks->room ? blocks->room * 2 : 1024;
        uint64_t *prints = realloc(blocks->prints, room * sizeof(uint64_t));
        if (prints) blocks->prints = prints;
        int64_t *starts = realloc(blocks->starts, room * sizeof(int64_t));
        if (starts) blocks->starts = starts;
        if (!prints || !starts) return -1;
        blocks->room = room;
    }
    blocks->prints[blocks->count] = print;
    blocks->starts[blocks->count++] = start;
    return 0;
}

/* Anchors become open blocks. `offset` is the place of the searched bytes in the stream. */
static int open_blocks(Winnower *self, const Found *found, int64_t offset) {
    if (self->opened + found->count > self->room) {
        size_t room = 2 * (self->opened + found->count);
        int64_t *open = realloc(self->open, room * sizeof(int64_t));
        if (!open) return -1;
        self->open = open;
        self->room = room;
    }
    for (size_t k = 0; k < found->count; k++) self->open[self->opened++] = offset + found->items[k] - BEFORE;
    if (found->count) self->last = offset + found->items[found->count - 1];
    return 0;
}

/* Hashes the open blocks that begin before `before` and end at or before `end`. `bytes` lie at `base` in the stream. */
static int hash_blocks(Winnower *self, const uint8_t *bytes, int64_t base, int64_t before, int64_t end, Blocks *blocks) {
    size_t done = 0;
    for (; done < self->opened && self->open[done] < before && self->open[done] + WINDOW <= end; done++) {
        const uint8_t *block = bytes + (self->open[done] - base);
        if (self->skip_blank && is_blank(block, WINDOW)) continue;
        if (add_block(blocks, self->open[done], self->lanes->print(block, WINDOW, self->seed))) return -1;
    }
    self->opened -= done;
    if (done) memmove(self->open, self->open + done, self->opened * sizeof(int64_t));
    return 0;
}

/* Every window from the next one on that lies before `end`, and the blocks that begin before `before`. */
static int work(Winnower *self, const uint8_t *bytes, int64_t base, int64_t before, int64_t end, Blocks *blocks) {
    while (self->next_window + WINDOW <= end) {
        int64_t offset = self->next_window - BEFORE;
        int64_t upto = self->next_window - 1 + WINDOW + STRIDE < end ? self->next_window - 1 + WINDOW + STRIDE : end;
        Found found = {.last = self->last - offset};
        int failed = search(self->lanes, bytes + (offset - base), BEFORE, upto - offset - 1, WINDOW, &found) ||
                     open_blocks(self, &found, offset);
        free(found.items);
        self->next_window = upto - WINDOW + 1;
        if (failed || hash_blocks(self, bytes, base, before, upto, blocks)) return -1;
    }
    return hash_blocks(self, bytes, base, before, end, blocks);
}

static int take(Winnower *self, const uint8_t *data, size_t size, Blocks *blocks) {
    int64_t here = self->seen, base = here - (int64_t)self->kept;
    size_t joined = size < EDGE ? size : EDGE;
    memcpy(self->seam + self->kept, data, joined);
    self->seen += (int64_t)size;
    if (joined == size) {
        if (work(self, self->seam, base, self->seen, self->seen, blocks)) return -1;
        size_t spent = self->next_window - BEFORE > base ? (size_t)(self->next_window - BEFORE - base) : 0;
        self->kept = self->kept + size - spent;
        memmove(self->seam, self->seam + spent, self->kept);
        return 0;
    }
    if (work(self, self->seam, base, here, here + EDGE, blocks) || work(self, data, here, self->seen, self->seen, blocks)) return -1;
    self->kept = (size_t)(self->seen - (self->next_window - BEFORE));
    memcpy(self->seam, data + size - self->kept, self->kept);
    return 0;
}

static PyObject *winnower_feed(PyObject *object, PyObject *args) {
    Winnower *self = (Winnower *)object;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "y*", &view)) return NULL;
    if (self->busy || self->failed) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_RuntimeError, self->busy ? "a stream is fed by one thread at a time" : "a stream that failed");
    }
    Blocks blocks = {0};
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    self->failed = take(self, view.buf, (size_t)view.len, &blocks);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyBuffer_Release(&view);
    PyObject *pair = self->failed ? PyErr_NoMemory()
                                  : Py_BuildValue("y#y#", blocks.prints ? (char *)blocks.prints : "", (Py_ssize_t)(blocks.count * 8),
                                                  blocks.starts ? (char *)blocks.starts : "", (Py_ssize_t)(blocks.count * 8));
    free(blocks.prints);
    free(blocks.starts);
    return pair;
}

static PyObject *winnower_seen(PyObject *self, void *unused) { return PyLong_FromLongLong(((Winnower *)self)->seen); }

static PyObject *winnower_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    unsigned long long seed;
    int skip_blank;
    const char *name = NULL;
    if (!PyArg_ParseTuple(args, "Kp|z", &seed, &skip_blank, &name)) return NULL;
    const Lanes *lanes = lanes_named(name);
    if (!lanes) return PyErr_Format(PyExc_ValueError, "this processor has no %s", name);
    Winnower *self = (Winnower *)PyType_GenericNew(type, args, kwargs); /* all zero but for what follows */
    if (!self) return NULL;
    self->seed = seed;
    self->skip_blank = skip_blank;
    self->lanes = lanes;
    self->next_window = BEFORE;
    self->last = -1;
    return (PyObject *)self;
}

static void winnower_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    free(((Winnower *)self)->open);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef winnower_methods[] = {
    {"feed", winnower_feed, METH_VARARGS,
     "feed(data) -> (prints, starts): packed, 64 bits each, of the blocks that these bytes completed"},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef winnower_getters[] = {{"seen", winnower_seen, NULL, "bytes fed", NULL}, {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot winnower_slots[] = {
    {Py_tp_new, winnower_new},
    {Py_tp_dealloc, winnower_dealloc},
    {Py_tp_methods, winnower_methods},
    {Py_tp_getset, winnower_getters},
    {Py_tp_doc, "Winnower(seed, skip_blank, lanes=None): the blocks of one stream; lanes is one of LANES"},
    {0, NULL},
};
PyType_Spec winnower_spec = {"haechi.payload.anchors._anchors.Winnower", sizeof(Winnower), 0, Py_TPFLAGS_DEFAULT, winnower_slots};
