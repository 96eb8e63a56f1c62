// The engine for a kind of processor, or null where this is not one.
#include "common.h"

namespace portable { extern const Engine engine; }
#ifdef __x86_64__
namespace avx2 { extern const Engine engine; }
namespace avx512 { extern const Engine engine; }
#endif

extern "C" __attribute__((visibility("default"))) const Engine* thinktwice_engine(const char* name)
{
#ifdef __x86_64__
    if (!std::strcmp(name, "avx512")) return __builtin_cpu_supports("x86-64-v4") ? &avx512::engine : nullptr;
    if (!std::strcmp(name, "avx2")) return __builtin_cpu_supports("x86-64-v3") ? &avx2::engine : nullptr;
#endif
    return std::strcmp(name, "portable") ? nullptr : &portable::engine;
}

// A piece of work that Python has put on record, and where its arguments lie.
struct Call {
    Asked function;
    int64 blocks;
    const int64* arguments;
};

extern "C" __attribute__((visibility("default"))) void thinktwice_replay(const Call* calls, int64 number)
{
    for (int64 i = 0; i < number; ++i) calls[i].function(calls[i].blocks, calls[i].arguments);
}

// Of which text this is a build.
extern "C" __attribute__((visibility("default"))) const char* thinktwice_digest() { return TEXT_DIGEST; }
