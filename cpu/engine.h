// The engine, once for each kind of processor: a file that includes this one says LANES, ROWS, VECTORS and ENGINE.

namespace ENGINE {
#include "lanes.h"
#include "planes.h"
#include "tile.h"
#include "correlation.h"
#include "weight_gradient.h"
#include "winograd.h"

static void run_correlate(
    const float* source, const int64* planes, const float* weights, const float* bias, const int64* plane, const int64* shift, int64 terms,
    const int64* to, int64 images, int64 groups, float* result)
{
    const Filters filters = {weights, bias, plane, shift, terms};
    correlate(source, as<Planes>(planes), filters, as<Result>(to), images, groups, result);
}

static void run_correlate_weights(
    const float* source, const int64* planes, const int64* plane, const int64* shift, int64 terms, const float* signal, const int64* to,
    int64 images, int64 groups, int64 shares, float* gradient)
{
    const Filters filters = {nullptr, nullptr, plane, shift, terms};
    correlate_weights(source, as<Planes>(planes), filters, signal, as<Result>(to), images, groups, shares, gradient);
}

static void run_winograd(
    const float* source, const int64* planes, const float* weights, const float* bias, const int64* to, int64 images, int64 groups, float* result)
{
    winograd(source, as<Planes>(planes), weights, bias, as<Result>(to), images, groups, result);
}

extern const Engine engine = {LANES, ROWS, run_correlate, run_correlate_weights, run_winograd};
}  // namespace ENGINE
