/* What rows say beside their targets, of one type of number: see types.h. */

/* The first of a row's largest logits; -1 where there is none, as only NaN or nothing is there. */
INLINE int64_t NAME(first_largest)(const REAL *row, int64_t classes) {
    REAL largest = -INFINITY;
    VECTOR_MAXIMUM(largest)
    for (int64_t index = 0; index < classes; index++) largest = row[index] > largest ? row[index] : largest;
    int64_t first = 0;
    for (; first + STEP <= classes; first += STEP) {
        INDEX is_here = 0;
        for (int place = 0; place < STEP; place++) is_here |= row[first + place] == largest;
        if (is_here) break;
    }
    while (first < classes && row[first] != largest) first++;
    return first < classes ? first : -1;
}

/* How many classes stand before a row's target: those with larger logits, and of equal ones those of lower index. */
INLINE int64_t NAME(before)(const REAL *row, int64_t classes, int64_t target) {
    const REAL logit = row[target];
    int64_t count = 0;
    for (int64_t first = 0; first < classes; first += STRETCH) {
        int64_t end = classes - first < STRETCH ? classes : first + STRETCH;
        int64_t middle = target < first ? first : target < end ? target : end;
        INDEX here = 0;
        for (int64_t index = first; index < middle; index++) here += row[index] >= logit;
        for (int64_t index = middle; index < end; index++) here += row[index] > logit;
        count += here;
    }
    return count;
}

/* Note the probabilities of a row that are above the first edge, count of them being there already. Returns how many
   there are then, or -1 where there's no room. low: a logit below that of any of them. */
INLINE int64_t NAME(peaks)(Judgement to, const REAL *row, int64_t number, REAL low, double total, int64_t count) {
    for (int64_t first = 0; first < to.classes; first += STEP) {
        int64_t end = first + STEP;
        INDEX is_here = 0;
        if (end <= to.classes)
            for (int place = 0; place < STEP; place++) is_here |= row[first + place] >= low;
        else is_here = 1, end = to.classes;
        for (int64_t index = first; is_here && index < end; index++) {
            if (!(row[index] >= low)) continue;
            double probability = to.values[index] / total;
            if (!(probability > to.first_edge)) continue;
            if (count == to.most_peaks) return -1;
            to.peaks[2 * count] = index, to.peaks[2 * count + 1] = number;
            to.peak_values[count++] = probability;
        }
    }
    return count;
}

/* Judge rows; see judge.c. Returns how many peaks there are, or -1. */
INLINE int64_t NAME(judge)(Judgement to, const REAL *row) {
    const Terms terms = terms_of(0.0, to.scale); /* of logits less the largest, so that a shift changes nothing */
    const double logarithm_of_edge = log(to.first_edge);
    int64_t peaks = 0;
    for (int64_t number = 0; number < to.rows; number++, row += to.classes) {
        int64_t target = to.target[number], predicted = NAME(first_largest)(row, to.classes);
        if (target < 0 || target >= to.classes || predicted < 0) return -1;
        double largest = (double)row[predicted];
        double total = 0.0, squares = 0.0;
        for (int64_t first = 0; first < to.classes; first += STRETCH) {
            int64_t end = to.classes - first < STRETCH ? to.classes : first + STRETCH;
            double sum = 0.0, sum_of_squares = 0.0;
            VECTOR_SUM(sum, sum_of_squares)
            for (int64_t index = first; index < end; index++) {
                double shifted = (double)row[index] - largest;
                double value = summand_double(terms, shifted);
                to.values[index] = value = shifted * to.scale < LEAST ? 0.0 : value;
                sum += value;
                sum_of_squares += value * value;
            }
            total += sum;
            squares += sum_of_squares;
        }
        if (total != total) return -1;
        double part = 1.0 / total, logarithm = log(total), *scores = to.scores + 3 * number;
        for (int64_t index = 0; index < to.classes; index++) to.mass[index] += to.values[index] * part;
        to.predicted[number] = predicted;
        to.place[number] = target == predicted ? 0 : NAME(before)(row, to.classes, target);
        scores[0] = to.values[predicted] / total;
        scores[1] = logarithm - ((double)row[target] - largest) * to.scale;
        scores[2] = squares * part * part - 2.0 * (to.values[target] / total) + 1.0;
        double low = largest + (logarithm_of_edge + logarithm) / to.scale;
        peaks = NAME(peaks)(to, row, number, (REAL)(low - MARGIN * (1.0 + fabs(low))), total, peaks);
        if (peaks < 0) return -1;
    }
    return peaks;
}
