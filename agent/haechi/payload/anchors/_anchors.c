/* The native module: what Python may call. Anchors are in search.c, streams in winnower.c, the table in table.c.
 *
 * The interpreter's lock is released while a stream or a buffer is worked through.
 */
#include "types.h"

#include <stdlib.h>

#include "anchors.h"

static PyObject *py_search(PyObject *module, PyObject *args) {
    Py_buffer view;
    Py_ssize_t first, w, after;
    const char *name = NULL;
    if (!PyArg_ParseTuple(args, "y*nnn|z", &view, &first, &w, &after, &name)) return NULL;
    const Lanes *lanes = lanes_named(name);
    if (first < CONTEXT - 1 || w < 1 || view.len > (Py_ssize_t)1 << 30 || !lanes) {
        PyBuffer_Release(&view);
        return PyErr_Format(PyExc_ValueError, "a search begins at %d or later, in at most 1 GiB", CONTEXT - 1);
    }
    Found found = {.last = after};
    int failed = 0;
    if (view.len - first >= w) {
        Py_BEGIN_ALLOW_THREADS
        failed = search(lanes, view.buf, first, view.len - 1, w, &found);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    PyObject *result = failed ? PyErr_NoMemory()
                              : PyBytes_FromStringAndSize((char *)found.items, (Py_ssize_t)(found.count * sizeof(uint32_t)));
    free(found.items);
    return result;
}

static PyObject *py_blank(PyObject *module, PyObject *args) {
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "y*", &view)) return NULL;
    int blank = is_blank(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyBool_FromLong(blank);
}

static PyObject *py_fingerprint(PyObject *module, PyObject *args) {
    Py_buffer view;
    unsigned long long seed;
    const char *name = NULL;
    if (!PyArg_ParseTuple(args, "y*K|z", &view, &seed, &name)) return NULL;
    const Lanes *lanes = lanes_named(name);
    PyObject *result = lanes ? PyLong_FromUnsignedLongLong(lanes->print(view.buf, (size_t)view.len, seed))
                             : PyErr_Format(PyExc_ValueError, "this processor has no %s", name);
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef methods[] = {
    {"search", py_search, METH_VARARGS,
     "search(data, first, w, after, lanes=None) -> packed uint32: anchors beyond `after` of all windows in first..end"},
    {"blank", py_blank, METH_VARARGS, "blank(data) -> bool: whether all of it has one period of at most 32 bytes"},
    {"fingerprint", py_fingerprint, METH_VARARGS, "fingerprint(data, seed, lanes=None) -> int: XXH3, 64 bits"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_anchors", "Winnowed anchors and the fingerprint table", -1, methods,
                                        NULL, NULL, NULL, NULL};

/* Adds and gives up `object`. */
static int add(PyObject *module, const char *name, PyObject *object) {
    int failed = !object || PyModule_AddObjectRef(module, name, object);
    Py_XDECREF(object);
    return failed;
}

PyMODINIT_FUNC PyInit__anchors(void) {
    fill_gear();
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    PyObject *table = PyList_New(256);
    for (Py_ssize_t i = 0; table && i < 256; i++) PyList_SetItem(table, i, PyLong_FromUnsignedLongLong(gear[i]));
    const char *widest = lanes_named(NULL)->name;
    PyObject *lanes = strcmp(widest, lanes_plain.name) ? Py_BuildValue("(ss)", lanes_plain.name, widest) : Py_BuildValue("(s)", widest);
    if (add(module, "GEAR", table) || add(module, "LANES", lanes) || add(module, "Winnower", PyType_FromSpec(&winnower_spec)) ||
        add(module, "Table", PyType_FromSpec(&table_spec)) || PyModule_AddIntConstant(module, "WINDOW", WINDOW) ||
        PyModule_AddIntConstant(module, "CONTEXT", CONTEXT)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
