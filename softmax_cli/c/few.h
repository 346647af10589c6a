/* The top classes of rows of few classes: class after class over ROWS rows at once, whichever way the array lies.
   See types.h. */

/* Let each class take its place: behind all that are as large, before the smaller ones. */
INLINE void NAME(select_few)(REAL (*columns)[ROWS], int classes, int k, REAL (*best)[ROWS], INDEX (*at)[ROWS]) {
    for (int place = 0; place < k; place++)
        for (int row = 0; row < ROWS; row++) best[place][row] = -INFINITY, at[place][row] = 0;
    for (int index = 0; index < classes; index++) {
        REAL logits[ROWS];
        INDEX indices[ROWS], moved[ROWS]; /* whether it has found its place: all behind it move on by one */
        for (int row = 0; row < ROWS; row++) logits[row] = columns[index][row], indices[row] = index, moved[row] = 0;
        for (int place = 0; place < k; place++)
            for (int row = 0; row < ROWS; row++) {
                REAL held = best[place][row], logit = logits[row];
                INDEX held_at = at[place][row], index_of = indices[row], takes = moved[row] | (logit > held);
                best[place][row] = takes ? logit : held;
                at[place][row] = takes ? index_of : held_at;
                logits[row] = takes ? held : logit;
                indices[row] = takes ? held_at : index_of;
                moved[row] = takes;
            }
    }
}

/* What each row's logits become, and the sum of that over the classes. */
INLINE void NAME(total_few)(REAL (*columns)[ROWS], int classes, double scale, Terms *terms, double *total) {
    double rest[ROWS], least[ROWS], least_two[ROWS], round[ROWS];
    REAL largest[ROWS];
    for (int row = 0; row < ROWS; row++) largest[row] = -INFINITY;
    for (int index = 0; index < classes; index++)
        for (int row = 0; row < ROWS; row++)
            largest[row] = columns[index][row] > largest[row] ? columns[index][row] : largest[row];
    double scale_two = terms_of(0.0, scale).scale_two;
    for (int row = 0; row < ROWS; row++) {
        double top = fabs((double)largest[row] * scale) <= MOST ? (double)largest[row] : NAN;
        terms[row] = terms_of(top, scale);
        least[row] = terms[row].least, least_two[row] = terms[row].least_two, round[row] = terms[row].round;
        total[row] = rest[row] = top - top; /* 0, or NaN */
    }
    for (int index = 0; index < classes; index++)
        for (int row = 0; row < ROWS; row++) {
            Terms own = {scale, scale_two, least[row], least_two[row], round[row]};
            double term = NAME(summand)(own, columns[index][row]);
            double high = (term + GRID) - GRID;
            total[row] += high;
            rest[row] += term - high;
        }
    for (int row = 0; row < ROWS; row++) total[row] += rest[row];
}

/* Rank rows that lie `row_step` and `class_step` elements apart; see `rank` in kernel.c. */
INLINE void NAME(rank_few)(const REAL *logits, int64_t rows, int classes, int64_t row_step, int64_t class_step, int k,
                           int selected, double scale, int64_t *indices, REAL *chosen, REAL *probabilities) {
    for (; rows > 0; rows -= ROWS, logits += ROWS * row_step) {
        int count = rows < ROWS ? (int)rows : ROWS;
        REAL columns[LANES][ROWS], best[FEW][ROWS];
        INDEX at[FEW][ROWS];
        for (int index = 0; index < classes; index++) {
            const REAL *column = logits + index * class_step;
            if (count == ROWS && row_step == 1) memcpy(columns[index], column, sizeof columns[index]);
            else
                for (int row = 0; row < ROWS; row++) columns[index][row] = column[(row < count ? row : 0) * row_step];
        }
        double total[ROWS];
        Terms terms[ROWS];
        NAME(total_few)(columns, classes, scale, terms, total);
        if (!selected) {
            NAME(select_few)(columns, classes, k, best, at);
            for (int row = 0; row < count; row++)
                for (int place = 0; place < k; place++) indices[row * k + place] = at[place][row];
        }
        for (int row = 0; row < count; row++) {
            /* Of logits that are -infinity, none has found its place; nor have those of NaN, but then it's all the same. */
            if (!selected && best[k - 1][row] == -INFINITY) {
                REAL own[LANES];
                for (int index = 0; index < classes; index++) own[index] = columns[index][row];
                NAME(insert)(own, classes, k, indices + row * k);
            }
            REAL before = (REAL)INFINITY;
            for (int place = row * k; place < row * k + k; place++) {
                chosen[place] = columns[indices[place]][row];
                REAL probability = (REAL)(one_term(terms[row], (double)chosen[place]) / total[row]);
                before = probabilities[place] = before < probability ? before : probability;
            }
            if (total[row] != total[row]) probabilities[row * k] = NAN;
        }
        indices += ROWS * k, chosen += ROWS * k, probabilities += ROWS * k;
    }
}
