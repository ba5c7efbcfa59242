/* Matrix products, row-major. */
#ifndef KERNELS_MATMUL_H
#define KERNELS_MATMUL_H

#define MATMUL_KERNELS(ROW) \
  /* c (m,n) = alpha * op(a) op(b) + beta * c; op(a) is (m,k): a is (m,k), or (k,m) when ta; op(b) is (k,n): b is (k,n), or \
   * (n,k) when tb. lda, ldb, ldc: floats from row to row as stored. With beta 0, c need not hold numbers. */ \
  ROW(void, sgemm, (bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda, \
                    const float *b, int64_t ldb, float beta, float *c, int64_t ldc)) \
  /* The same for `batch` products whose operands lie stride_a, stride_b, stride_c floats apart (a stride of 0 for a or b \
   * uses one operand for all). */ \
  ROW(void, sgemm_batch, (int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, \
                          int64_t lda, int64_t stride_a, const float *b, int64_t ldb, int64_t stride_b, float beta, float *c, \
                          int64_t ldc, int64_t stride_c))
#endif
