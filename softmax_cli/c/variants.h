/* The instruction sets that loops are compiled for, the best last; the processor's is chosen when they are called.

   EACH_VARIANT(make) is make(name, attribute of its functions) for each, EACH_VARIANT_OF(item) a list of item(name). */

#ifndef SOFTMAX_VARIANTS_H
#define SOFTMAX_VARIANTS_H

#if defined(__GNUC__) && defined(__x86_64__)
#if defined(__clang__)
#define WIDE
#else
#define WIDE ",prefer-vector-width=512"
#endif
#define EACH_VARIANT(make)                                                                                            \
    make(baseline, ) make(avx2, __attribute__((target("avx2,fma"))))                                                  \
        make(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma" WIDE))))
#define EACH_VARIANT_OF(item) item(baseline), item(avx2), item(avx512)

/* How many of them, from the first, this processor can run. */
static inline int usable_variants(void) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return wide ? 3 : 2;
}
#else
#define EACH_VARIANT(make) make(baseline, )
#define EACH_VARIANT_OF(item) item(baseline)

static inline int usable_variants(void) { return 1; }
#endif

#endif
