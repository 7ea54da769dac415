/* lanes.c for processors with AVX2. Called only where the processor says that it has it. */
#ifdef __x86_64__
#pragma GCC target("avx2,bmi")
#define LANES lanes_avx2
#define NAME "avx2"
#define WIDTH 32
#include "lanes.c"
#endif
