/* Matrix products over OpenBLAS, which runs on one thread: c is cut in blocks whose sizes depend on the shape alone, and
 * a block's sum is never split, so the bits do not depend on the number of threads. */
#include <cblas.h>
#include "host.h"
#include "kernels.h"
#include "simd.h"

enum { PIECES_WANTED = 16, SIDE_MIN = 32 };
static const double LARGE = 2e9; /* multiplications: a block has no more, so that the host can stop a large product between two */

/* How many blocks down and across: at least PIECES_WANTED where c is large enough, cutting the longer side first (a block
 * reads whole rows of op(a) and columns of op(b), so square blocks read least). */
static void cut(int64_t count, int64_t m, int64_t n, int64_t k, int64_t *rows, int64_t *cols) {
  *rows = *cols = 1;
  if ((double)m * (double)n * (double)k < 32768.0) return;
  while (count * *rows * *cols < PIECES_WANTED || (double)(m / *rows) * (double)(n / *cols) * (double)k > LARGE) {
    bool down = m / *rows >= n / *cols;
    if ((down ? m / *rows : n / *cols) < 2 * SIDE_MIN) return;
    if (down) *rows *= 2;
    else *cols *= 2;
  }
}

static int64_t block_at(int64_t size, int64_t blocks, int64_t i) { /* edges on multiples of a vector where it matters */
  return i >= blocks ? size : size / VW >= blocks * 2 ? size / VW * i / blocks * VW : size * i / blocks;
}

static void block(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b,
                  int64_t ldb, float beta, float *c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
    return;
  }
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k,
              alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void K(sgemm_batch)(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                    int64_t stride_a, const float *b, int64_t ldb, int64_t stride_b, float beta, float *c, int64_t ldc,
                    int64_t stride_c) {
  int64_t rows, cols;
  cut(batch, m, n, k, &rows, &cols);
  int64_t per = rows * cols;
  bool large = (double)batch * (double)m * (double)n * (double)k > LARGE;
#pragma omp parallel for schedule(dynamic) if ((double)batch * (double)m * (double)n * (double)k > 32768.0)
  for (int64_t p = 0; p < batch * per; p++) {
    if (large && host_should_stop()) continue;
    int64_t i = p / per, r = p % per / cols, q = p % cols;
    int64_t m0 = block_at(m, rows, r), m1 = block_at(m, rows, r + 1), n0 = block_at(n, cols, q), n1 = block_at(n, cols, q + 1);
    block(ta, tb, m1 - m0, n1 - n0, k, alpha, a + i * stride_a + (ta ? m0 : m0 * lda), lda,
          b + i * stride_b + (tb ? n0 * ldb : n0), ldb, beta, c + i * stride_c + m0 * ldc + n0, ldc);
  }
}

void K(sgemm)(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, const float *b,
              int64_t ldb, float beta, float *c, int64_t ldc) {
  K(sgemm_batch)(1, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0);
}
