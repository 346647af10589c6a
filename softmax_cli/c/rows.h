/* The top classes of rows of one type of number: see types.h.

   A row is read twice: once for its largest logits, and once, from the cache, for the sum of its exponentials. */

/* The k-th largest of what the lanes hold, and the largest. */
INLINE REAL NAME(threshold)(const REAL *lanes, int width, int k, REAL *largest) {
    INDEX larger[LANES];
    REAL most = -INFINITY, found = INFINITY;
    for (int lane = 0; lane < width; lane++) larger[lane] = 0;
    for (int other = 0; other < width; other++) {
        REAL held = lanes[other];
        for (int lane = 0; lane < width; lane++) larger[lane] += held > lanes[lane];
    }
    VECTOR_MAXIMUM(most)
    for (int lane = 0; lane < width; lane++) most = lanes[lane] > most ? lanes[lane] : most;
    VECTOR_MINIMUM(found)
    for (int lane = 0; lane < width; lane++) {
        REAL held = larger[lane] < k ? lanes[lane] : INFINITY;
        found = held < found ? held : found;
    }
    *largest = most;
    return found;
}

/* A logit that at least k of a row's reach, and the row's largest. NaN is passed over.
   Each lane takes the maximum of every LANES-th logit; the k-th largest of those is reached by k logits at least. */
INLINE REAL NAME(reached)(const REAL *row, int64_t classes, int k, REAL *largest) {
    REAL lanes[LANES];
    int64_t first = 0;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = -INFINITY;
    for (; first + LANES <= classes; first += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = row[first + lane] > lanes[lane] ? row[first + lane] : lanes[lane];
    for (int lane = 0; first + lane < classes; lane++)
        lanes[lane] = row[first + lane] > lanes[lane] ? row[first + lane] : lanes[lane];
    if (k > FEW) return NAME(threshold)(lanes, LANES, k, largest);
    for (int lane = 0; lane < LANES / 2; lane++)
        lanes[lane] = lanes[lane + LANES / 2] > lanes[lane] ? lanes[lane + LANES / 2] : lanes[lane];
    for (int lane = 0; lane < LANES / 4; lane++)
        lanes[lane] = lanes[lane + LANES / 4] > lanes[lane] ? lanes[lane + LANES / 4] : lanes[lane];
    return NAME(threshold)(lanes, LANES / 4, k, largest);
}

/* Collect the classes whose logits reach the threshold, in order. Returns how many, or -1 where they are too many. */
INLINE int NAME(candidates)(const REAL *row, int64_t classes, REAL threshold, int64_t *indices) {
    int count = 0;
    int64_t first = 0;
    for (; first + STEP <= classes; first += STEP) {
        uint32_t reaching = 0;
        for (int place = 0; place < STEP; place++)
            reaching |= row[first + place] >= threshold ? (uint32_t)1 << place : 0;
        for (; reaching; reaching &= reaching - 1) indices[count++] = first + lowest_bit(reaching);
        if (count > CANDIDATES) return -1;
    }
    for (; first < classes; first++) {
        indices[count] = first;
        count += row[first] >= threshold;
    }
    return count > CANDIDATES ? -1 : count;
}

/* Put the candidates, which are in order of their index, in the order of the ranking. */
INLINE void NAME(order)(const REAL *row, const int64_t *found, int count, int k, int64_t *indices) {
    REAL logits[CANDIDATES + STEP];
    for (int one = 0; one < count; one++) logits[one] = row[found[one]];
    for (int one = 0; one < count; one++) {
        int rank = 0;
        for (int other = 0; other < one; other++) rank += logits[other] >= logits[one];
        for (int other = one + 1; other < count; other++) rank += logits[other] > logits[one];
        if (rank < k) indices[rank] = found[one];
    }
}

/* The same one class after another, for rows in which very many are equal. Returns how many were found: not NaN. */
static int NAME(insert)(const REAL *row, int64_t classes, int k, int64_t *indices) {
    int count = 0;
    for (int64_t index = 0; index < classes; index++) {
        if (!(count < k ? row[index] == row[index] : row[index] > row[indices[k - 1]])) continue;
        int place = count < k ? count++ : k - 1;
        for (; place > 0 && row[index] > row[indices[place - 1]]; place--) indices[place] = indices[place - 1];
        indices[place] = index;
    }
    return count;
}

/* Find the top k classes of a row, and its largest logit. Returns how many were found: fewer where there is NaN. */
INLINE int NAME(select)(const REAL *row, int64_t classes, int k, int64_t *indices, REAL *largest) {
    int64_t found[CANDIDATES + STEP];
    REAL threshold = NAME(reached)(row, classes, k, largest);
    int count = NAME(candidates)(row, classes, threshold, found);
    if (count < 0) return NAME(insert)(row, classes, k, indices);
    NAME(order)(row, found, count, k, indices);
    return count;
}

/* Rank rows; see `rank` in kernel.c. */
INLINE void NAME(rank)(const REAL *row, int64_t rows, int64_t classes, int k, int selected, double scale,
                       int64_t *indices, REAL *chosen, REAL *probabilities) {
    for (; rows; rows--, row += classes, indices += k, chosen += k, probabilities += k) {
        REAL largest = -INFINITY;
        int found = k;
        if (selected) largest = row[indices[0]];
        else found = NAME(select)(row, classes, k, indices, &largest);
        if (found < k || !(fabs((double)largest * scale) <= MOST)) {
            probabilities[0] = NAN;
            continue;
        }
        Terms terms = terms_of((double)largest, scale);
        double total = NAME(total)(row, classes, terms);
        REAL before = (REAL)INFINITY;
        for (int place = 0; place < k; place++) {
            chosen[place] = row[indices[place]];
            REAL probability = (REAL)(one_term(terms, (double)chosen[place]) / total);
            /* The last digit's rounding may have turned the order of two around. */
            before = probabilities[place] = before < probability ? before : probability;
        }
        if (total != total) probabilities[0] = NAN;
    }
}
