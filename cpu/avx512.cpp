// 32 registers of 16 numbers: 24 hold a tile.
#include "common.h"
#pragma GCC target("arch=x86-64-v4")
#define ENGINE avx512
#define LANES 16
#define ROWS 8
#define VECTORS 3
#include "engine.h"
