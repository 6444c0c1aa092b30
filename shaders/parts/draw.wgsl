// A draw from one dimension of a categorical row by a workgroup of 256: the choice at which the running sum of weights, the
// exponentials of logits less the largest, exceeds a bound. Needs part wide and its needs.
//
// The row is cut into 256 pieces of neighbouring choices, the piece with the bound into 256 again, and what is left is walked.
// So a running sum has the rounding of some 100 additions, in the same order at every draw.

// A piece, and the sum of weights before it.
struct DrawPiece { index: u32, before: f32 }

fn draw_weight(c: HeadChoice, i: u32) -> f32 { return math_probability(head_logit_new(c, i) - c.max_new); }

// Leaves the weights of the pieces of `size` choices from `first` up to `end` in x of wide_numbers, and those of 16 pieces
// together in y of its first 16.
fn draw_pieces(lane: u32, c: HeadChoice, first: u32, end: u32, size: u32) {
    let begin = min(first + lane * size, end);
    let to = min(begin + size, end);
    var own = 0.0;
    for (var start = begin; start < to; start += WIDE_BLOCK) {
        var part = 0.0;
        for (var i = start; i < min(start + WIDE_BLOCK, to); i += 1u) { part += draw_weight(c, i); }
        own += part;
    }
    workgroupBarrier();  // nobody reads any more what was there
    wide_numbers[lane].x = own;
    workgroupBarrier();  // all lanes have stored
    if (lane < 16u) {
        var sum = 0.0;
        for (var i = 16u * lane; i < 16u * lane + 16u; i += 1u) { sum += wide_numbers[i].x; }
        wide_numbers[lane].y = sum;
    }
    workgroupBarrier();  // all sums are there
}

// The first piece at whose end the sum exceeds the bound; if rounding lets none do so, the last that weighs anything.
fn draw_find(bound: f32, before: f32) -> DrawPiece {
    var group = DrawPiece(0u, before);
    var running = before;
    for (var i = 0u; i < 16u; i += 1u) {
        let weight = wide_numbers[i].y;
        if (weight > 0.0) { group = DrawPiece(i, running); }
        running += weight;
        if (running > bound) { break; }
    }
    var piece = DrawPiece(16u * group.index, group.before);
    var within = 0.0;
    for (var i = piece.index; i < 16u * group.index + 16u; i += 1u) {
        let weight = wide_numbers[i].x;
        if (weight > 0.0) { piece = DrawPiece(i, group.before + within); }
        within += weight;
        if (group.before + within > bound) { break; }
    }
    return piece;
}

// The choice of a uniform number, the same for all lanes.
fn draw_choice(lane: u32, c: HeadChoice, uniform_number: f32) -> u32 {
    let size = (c.count + WIDE_LANES - 1u) / WIDE_LANES;
    draw_pieces(lane, c, 0u, c.count, size);
    var total = 0.0;
    for (var i = 0u; i < 16u; i += 1u) { total += wide_numbers[i].y; }
    let bound = uniform_number * total;
    let piece = draw_find(bound, 0.0);
    let first = piece.index * size;
    let end = min(first + size, c.count);
    let fine = (size + WIDE_LANES - 1u) / WIDE_LANES;
    draw_pieces(lane, c, first, end, fine);
    let last = draw_find(bound, piece.before);
    var chosen = first + last.index * fine;
    var running = last.before;
    for (var i = chosen; i < min(first + last.index * fine + fine, end); i += 1u) {
        let weight = draw_weight(c, i);
        running += weight;
        if (weight > 0.0) { chosen = i; }
        if (running > bound) { break; }
    }
    return chosen;
}
