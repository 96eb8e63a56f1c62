// The engine, once for each kind of processor: a file that includes this one says LANES, ROWS, VECTORS and ENGINE.

namespace ENGINE {
#include "lanes.h"
#include "planes.h"
#include "tile.h"
#include "finish.h"
#include "pointwise.h"
#include "correlation.h"
#include "sparse.h"
#include "gather.h"
#include "scatter.h"
#include "weight_gradient.h"
#include "winograd.h"
#include "pooling.h"
#include "inner_product.h"
#include "multiply_adds.h"

static void run_correlate(
    const float* source, const int64* planes, const int64* filters, int64 number, const int64* last, const int64* batch, float* result)
{
    correlate(source, as<Planes>(planes), &as<Filters>(filters), number, given<Finish>(last), as<Batch>(batch), result);
}

static void run_multiply(const int64* sources, const int64* banks, const int64* products, const int64* last)
{
    multiply(&as<Source>(sources), &as<Bank>(banks), as<Products>(products), given<Finish>(last));
}

// `widest`: registers of weights that pixels are sent with, or 0 where sums gather them.
static void run_sparse(
    const int64* sources, const int64* banks, const int64* products, const int64* last, const int64* slide, int64 targets, int64 most,
    int64 widest, int64 otherwise, const int64* arguments)
{
    const Slide& s = as<Slide>(slide);
    sparse(
        &as<Source>(sources), &as<Bank>(banks), as<Products>(products), given<Finish>(last), targets, most,
        reinterpret_cast<Asked>(otherwise), arguments, [&](const Work& work, const Group& group) {
            if (widest) scatter(work, group, s, widest);
            else gather_group(work, group, s);
        });
}

static void run_correlate_weights(
    const float* source, const int64* planes, const int64* plane, const int64* shift, int64 terms, const float* signal, const int64* to,
    const int64* batch, int64 shares, float* gradient)
{
    const Filters filters = {nullptr, nullptr, false, plane, shift, terms, nullptr};
    correlate_weights(source, as<Planes>(planes), filters, signal, as<Result>(to), as<Batch>(batch), shares, gradient);
}

static void run_winograd(
    const float* source, const int64* planes, const float* weights, const float* bias, int64 rectified, const int64* to, const int64* last,
    const int64* guard, const int64* batch, float* result)
{
    const Planes& p = as<Planes>(planes);
    const auto by_tiles = p.phases_h == 4 ? winograd<4, 3> : p.reach == 1 ? winograd<2, 3> : winograd<2, 5>;
    by_tiles(
        source, p, weights, bias, rectified != 0, as<Result>(to), given<Finish>(last), given<Guard>(guard), as<Batch>(batch),
        result);
}

static void run_max_pool(
    const float* source, const int64* planes, const int64* plane, const int64* shift, const int64* windows, int64 number, float* maxima,
    signed char* winners)
{
    max_pool(source, as<Planes>(planes), plane, shift, as<Windows>(windows), number, maxima, winners);
}

static void run_to_winners(
    const float* signal, const signed char* winners, const int64* windows, int64 targets, int64 planes, const int64* last, float* pixels)
{
    to_winners(signal, winners, as<Windows>(windows), targets, planes, given<Finish>(last), pixels);
}

static void run_inner_product(
    const float* x, const float* weights, const float* bias, int64 images, int64 features, int64 outputs, float* y, float* z)
{
    const auto product = y && z ? inner_product<BOTH> : z ? inner_product<POSITIVE> : inner_product<AS_THEY_ARE>;
    product(x, weights, bias, images, features, outputs, {y, z});
}

static void run_inner_product_transposed(
    const float* signal, const float* weights, int64 positive, int64 images, int64 features, int64 outputs, float* x)
{
    (positive ? inner_product_transposed<true> : inner_product_transposed<false>)(signal, weights, images, features, outputs, x);
}

extern const Engine engine = {
    LANES, ROWS, OPERATIONS, asked<run_correlate>, asked<run_multiply>, asked<run_sparse>, asked<run_correlate_weights>, asked<run_winograd>,
    asked<run_max_pool>, asked<run_to_winners>, asked<run_inner_product>, asked<run_inner_product_transposed>, asked<multiply_adds>};
}  // namespace ENGINE
