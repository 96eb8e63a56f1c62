// The kernels as C++: the very text that NVRTC compiles for a GPU, run block by block on the threads of the CPU.
//
// thinktwice_kernel("col2im<float>") finds a kernel's launch(blocks, slots). Each parameter has a slot of 8 bytes, in order: it lies
// there itself, or, where it is larger, its address. Threads follow OMP_NUM_THREADS and the cores that the process may use.

#include <cstring>
#include <omp.h>
#include <utility>

#include "host.h"

#include "add.cu"
#include "average_pool.cu"
#include "boxes.cu"
#include "channels.cu"
#include "excitation.cu"
#include "feedback_gate.cu"
#include "hard_gates.cu"
#include "im2col.cu"
#include "lrn.cu"
#include "maps.cu"
#include "max_pool.cu"
#include "relu.cu"
#include "resize.cu"
#include "softmax.cu"

// Each kernel is compiled for three generations of processors; the loader takes the one that the machine has. (Not under the
// address sanitizer, which is not ready yet when the loader asks.)
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

template <auto kernel, typename... Parameters>
FOR_EACH_PROCESSOR void run(int64 first, int64 end, Parameters... parameters)
{
    for (int64 block = first; block < end; ++block) {
        blockIdx.x = static_cast<unsigned>(block);
        kernel(parameters...);
    }
}

// Shares the blocks out to the CPU's threads; or, for a look at blocks of several threads, has all of them take each block.
template <auto kernel, typename... Parameters>
void run_all(int64 blocks, Parameters... parameters)
{
#ifdef BLOCK_THREADS
#pragma omp parallel num_threads(BLOCK_THREADS)
    {
        threadIdx.x = static_cast<unsigned>(omp_get_thread_num());
        gridDim.x = static_cast<unsigned>(blocks);
        for (int64 block = 0; block < blocks; ++block) {
            run<kernel, Parameters...>(block, block + 1, parameters...);
#pragma omp barrier
        }
    }
#else
#pragma omp parallel if (blocks > 1)
    {
        const int64 thread = omp_get_thread_num(), threads = omp_get_num_threads();
        gridDim.x = static_cast<unsigned>(blocks);
        run<kernel, Parameters...>(blocks * thread / threads, blocks * (thread + 1) / threads, parameters...);
    }
#endif
}

struct Slot {
    alignas(8) unsigned char bytes[8];

    template <typename Parameter>
    Parameter as() const
    {
        Parameter parameter;
        const void* from = bytes;
        if (sizeof(Parameter) > sizeof(bytes)) std::memcpy(&from, bytes, sizeof(from));
        std::memcpy(&parameter, from, sizeof(parameter));
        return parameter;
    }
};

template <auto kernel, typename... Parameters, std::size_t... Number>
void launch_with(void (*)(Parameters...), std::index_sequence<Number...>, int64 blocks, const Slot* slots)
{
    run_all<kernel, Parameters...>(blocks, slots[Number].template as<Parameters>()...);
}

template <typename... Parameters>
constexpr auto numbers(void (*)(Parameters...)) { return std::index_sequence_for<Parameters...>{}; }

template <auto kernel>
void launch(int64 blocks, const Slot* slots) { launch_with<kernel>(kernel, numbers(kernel), blocks, slots); }

struct Entry {
    const char* name;
    void (*launch)(int64 blocks, const Slot* slots);
};

#define KERNEL(...) {#__VA_ARGS__, launch<__VA_ARGS__>}

static const Entry KERNELS[] = {
    KERNEL(im2col<float>), KERNEL(im2col<double>),
    KERNEL(col2im<float>), KERNEL(col2im<double>),
    KERNEL(max_pool<float, signed char>), KERNEL(max_pool<float, short>), KERNEL(max_pool<float, int>),
    KERNEL(max_pool<double, signed char>), KERNEL(max_pool<double, short>), KERNEL(max_pool<double, int>),
    KERNEL(to_winners<float, signed char>), KERNEL(to_winners<float, short>), KERNEL(to_winners<float, int>),
    KERNEL(to_winners<double, signed char>), KERNEL(to_winners<double, short>), KERNEL(to_winners<double, int>),
    KERNEL(window_sums<float>), KERNEL(window_sums<double>),
    KERNEL(spread<float>), KERNEL(spread<double>),
    KERNEL(spread_to<float>), KERNEL(spread_to<double>),
    KERNEL(softmax<float>), KERNEL(softmax<double>),
    KERNEL(relu<float>), KERNEL(relu<double>),
    KERNEL(add<float>), KERNEL(add<double>),
    KERNEL(normalise_channels<float>), KERNEL(normalise_channels<double>),
    KERNEL(scale_channels<float>), KERNEL(scale_channels<double>),
    KERNEL(relu_gradient<float>), KERNEL(relu_gradient<double>),
    KERNEL(lrn<float>), KERNEL(lrn<double>),
    KERNEL(lrn_frozen<float>), KERNEL(lrn_frozen<double>),
    KERNEL(lrn_gradient<float>), KERNEL(lrn_gradient<double>),
    KERNEL(share<float>), KERNEL(share<double>),
    KERNEL(portion<float>), KERNEL(portion<double>),
    KERNEL(gate<float>), KERNEL(gate<double>),
    KERNEL(gate_gradient<float>), KERNEL(gate_gradient<double>),
    KERNEL(gate_magnitudes<float>), KERNEL(gate_magnitudes<double>),
    KERNEL(soft_step<float>), KERNEL(soft_step<double>),
    KERNEL(positive_sums<float, double>), KERNEL(positive_sums<double, double>),
    KERNEL(prune<float>), KERNEL(prune<double>),
    KERNEL(opened<float>), KERNEL(opened<double>),
    KERNEL(recover<float>), KERNEL(recover<double>),
    KERNEL(hard_step<float>), KERNEL(hard_step<double>),
    KERNEL(sum<float>), KERNEL(sum<double>),
    KERNEL(positive_sum<float>), KERNEL(positive_sum<double>),
    KERNEL(sum_abs<float>), KERNEL(sum_abs<double>),
    KERNEL(l2<float>), KERNEL(l2<double>),
    KERNEL(max_abs<float>), KERNEL(max_abs<double>),
    KERNEL(resize_columns<float, int>), KERNEL(resize_columns<double, int>),
    KERNEL(resize_rows<float, int>), KERNEL(resize_rows<double, int>),
    KERNEL(energy_threshold<double>),
    KERNEL(tightest_box<signed char, int>),
};

// The launch of the kernel of this name, spelled as CuPy's name expressions are, or null.
extern "C" __attribute__((visibility("default"))) void* thinktwice_kernel(const char* name)
{
    for (const Entry& entry : KERNELS)
        if (std::strcmp(entry.name, name) == 0) return reinterpret_cast<void*>(entry.launch);
    return nullptr;
}

// Of which text this is a build.
extern "C" __attribute__((visibility("default"))) const char* thinktwice_digest() { return TEXT_DIGEST; }
