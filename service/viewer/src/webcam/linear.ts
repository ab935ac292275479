/** Linear algebra in a few unknowns. */

/**
 * Solve A x = b by Cholesky's decomposition.
 *
 * @param matrix - A, n by n, symmetric and positive definite; overwritten.
 * @param side - b, n values; overwritten by x.
 * @returns x.
 */
export function solveSymmetric(matrix: Float64Array, side: Float64Array): Float64Array {
  const n = side.length;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= matrix[i * n + k] * matrix[j * n + k];
      matrix[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / matrix[j * n + j];
    }
    for (let k = 0; k < i; k++) side[i] -= matrix[i * n + k] * side[k];
    side[i] /= matrix[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) side[i] -= matrix[k * n + i] * side[k];
    side[i] /= matrix[i * n + i];
  }
  return side;
}
