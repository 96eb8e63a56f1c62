// What all builds of the engine share, and what they offer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <omp.h>
#include <type_traits>
#include <utility>
#include <vector>
#ifdef __SSE__
#include <immintrin.h>
#endif

typedef long long int64;

// As Python asks for a piece of work: arguments of 8 bytes each, numbers and addresses. Kernels have blocks, the engine has none.
typedef void (*Asked)(int64 blocks, const int64* arguments);

struct Engine {
    int64 lanes, rows;  // the widths to which output channels are filled up: in gradients of weights, in weights
    int64 operations;   // of a thread in a round of multiply_adds
    Asked correlate, multiply, sparse, correlate_weights, winograd, max_pool, to_winners, inner_product, inner_product_transposed, multiply_adds;
};

template <typename Parameter>
Parameter argument(int64 number)
{
    if constexpr (std::is_pointer_v<Parameter>) return reinterpret_cast<Parameter>(number);
    else return number;
}

template <auto function, typename... Parameters, std::size_t... Number>
void call(void (*)(Parameters...), const int64* arguments, std::index_sequence<Number...>)
{
    function(argument<Parameters>(arguments[Number])...);
}

template <typename... Parameters>
constexpr auto numbers(void (*)(Parameters...)) { return std::index_sequence_for<Parameters...>{}; }

// A function of numbers and addresses, as Python asks for it.
template <auto function>
void asked(int64, const int64* arguments) { call<function>(function, arguments, numbers(function)); }

// A struct of 64-bit integers, as Python gives it.
template <typename Struct>
const Struct& as(const int64* numbers) { return *reinterpret_cast<const Struct*>(numbers); }

// The same, or null where there is none.
template <typename Struct>
const Struct* given(const int64* numbers) { return reinterpret_cast<const Struct*>(numbers); }

// Aligned memory of the thread that asks, kept for its next piece of work: fresh memory costs more than arithmetic.
inline float* scratch(int64 numbers)
{
    static thread_local std::vector<float> kept;
    if (static_cast<int64>(kept.size()) < numbers + 16) kept.resize(numbers + 16);
    return kept.data() + (16 - reinterpret_cast<uintptr_t>(kept.data()) / sizeof(float) % 16) % 16;
}

// While one of these lives its thread takes numbers below 1.2e-38 for 0. Weights that nothing holds up decay to such numbers in
// training, and then every product with them costs a hundred times its time.
class Normals {
#ifdef __SSE__
public:
    Normals() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }  // flush to zero, denormals are zeros
    ~Normals() { _mm_setcsr(before); }
    Normals(const Normals&) = delete;

private:
    unsigned before;
#else
public:
    ~Normals() {}
#endif
};
