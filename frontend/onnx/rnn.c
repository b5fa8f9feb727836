/* frontend/onnx/rnn.c - recurrent layers as loops over time.
 *
 * X * W is one product for all steps; the loop's body does h * R and the gates.
 * Both directions are loops of their own; the backward one reads and writes
 * time from the end (reverse). */
#include "rnn_activation.h"

enum { MAX_GATES = 4, MAX_CARRIES = 2, MAX_ACTIVATIONS = 3 };
static const ir_dim zero = {0}, one = {1};

/* The operands of a node in layout 0: time first.  Extents: X is [steps, batch,
 * input], all that is carried is [batch, hidden] in each direction.  W and R have
 * all gates of a cell one under another, so that one product makes them all.  For
 * an LSTM of 16 units on 8 inputs: w is [1, 64, 8], rw is [1, 64, 16], initial has
 * h and c. */
typedef struct rnn {
    const rnn_activation *activation;       /* of the direction */
    ir_dim steps, batch, input, hidden;
    ir_ref w, rw;               /* [directions, gates*hidden, input or hidden] */
    ir_ref bias, peep;          /* [directions, ..] or none */
    ir_ref lengths;             /* i64[batch] or none */
    ir_ref initial[MAX_CARRIES];            /* [directions, batch, hidden] or none */
    double clip;
    bool coupled, linear_before_reset;
} rnn;

/* The cell: carries in place, from gates [batch, k*hidden] = x W + h R + b. */
typedef void cell(onnx_op *n, ir_build *b, const rnn *r, ir_ref xw, ir_ref rw, ir_ref rb,
                  ir_ref peep, ir_ref *carry);

/* What makes a cell.  An LSTM has 4 gates, 2 carries (h and c) and 3 activations,
 * by default Sigmoid (gates), Tanh (what is new) and Tanh (of c). */
typedef struct kind {
    int gates, carries;
    cell *step;
    const char *usual;          /* activations */
    int activations;
} kind;

static ir_ref mul(ir_build *b, ir_ref x, ir_ref y) { return ir_2(b, OP_MUL, x, y); }
static ir_ref add(ir_build *b, ir_ref x, ir_ref y) { return ir_2(b, OP_ADD, x, y); }

/* Gate k of a row of gates. */
static ir_ref gate(ir_build *b, ir_ref gates, int k, ir_dim hidden)
{
    dim_table *t = &b->m->dims;

    if (gates == IR_NONE)
        return IR_NONE;
    return ir_slice_axis(b, gates, onnx_type_in(b, gates)->rank - 1,
                         dim_mul(t, hidden, dim_int(t, k)), one, hidden);
}

/* A vector for each row of the batch. */
static ir_ref rows(ir_build *b, ir_ref v, ir_ref like)
{
    const ir_type *t = onnx_type_in(b, like);

    return ir_broadcast_axis(b, v, t->dim, t->rank, 1);
}

/* x w^T: both have what is summed as their last axis. */
static ir_ref dot_rows(ir_build *b, ir_ref x, ir_ref w)
{
    const int32_t last[1] = {1};

    return ir_dot(b, x, w, (ir_ints){0}, (ir_ints){0}, (ir_ints){1, last}, (ir_ints){1, last});
}

/* h' = f(x W + h R + b) */
static void step_rnn(onnx_op *n, ir_build *b, const rnn *r, ir_ref xw, ir_ref rw, ir_ref rb,
                     ir_ref peep, ir_ref *carry)
{
    (void)n, (void)peep, (void)rb;
    carry[0] = rnn_activate(b, &r->activation[0], add(b, xw, dot_rows(b, carry[0], rw)), r->clip);
}

/*    i = f(x Wi + h Ri + b + Pi * c)       f' = f(x Wf + h Rf + b + Pf * c)
 *    c' = f' * c + i * g(x Wc + h Rc + b)
 *    o = f(x Wo + h Ro + b + Po * c')      h' = o * k(c')
 *
 * Gates lie in the order i o f c, peepholes i o f.  Coupled: f' = 1 - i. */
static void step_lstm(onnx_op *n, ir_build *b, const rnn *r, ir_ref xw, ir_ref rw, ir_ref rb,
                      ir_ref peep, ir_ref *carry)
{
    ir_ref g[MAX_GATES], all = add(b, xw, dot_rows(b, carry[0], rw)), c = carry[1];

    (void)n, (void)rb;
    for (int k = 0; k < 4; k++)
        g[k] = gate(b, all, k, r->hidden);
    if (peep != IR_NONE) {
        g[0] = add(b, g[0], mul(b, rows(b, gate(b, peep, 0, r->hidden), c), c));
        g[2] = add(b, g[2], mul(b, rows(b, gate(b, peep, 2, r->hidden), c), c));
    }
    ir_ref in = rnn_activate(b, &r->activation[0], g[0], r->clip);
    ir_ref forget = rnn_activate(b, &r->activation[0], g[2], r->clip);
    if (r->coupled)
        forget = ir_2(b, OP_SUB, ir_splat(b, onnx_type_in(b, in), 1), in);
    ir_ref fresh = rnn_activate(b, &r->activation[1], g[3], r->clip);
    c = mul(b, forget, c);
    c = add(b, c, mul(b, in, fresh));
    if (peep != IR_NONE)
        g[1] = add(b, g[1], mul(b, rows(b, gate(b, peep, 1, r->hidden), c), c));
    ir_ref out = rnn_activate(b, &r->activation[0], g[1], r->clip);
    carry[0] = mul(b, out, rnn_activate(b, &r->activation[2], c, 0));
    carry[1] = c;
}

/*    z = f(x Wz + h Rz + b)   r = f(x Wr + h Rr + b)
 *    n = g(x Wh + (r * h) Rh + b)     or, linear_before_reset,   g(x Wh + r * (h Rh + b))
 *    h' = (1 - z) * n + z * h
 *
 * Gates lie in the order z r h; rb is R's bias, apart since linear_before_reset
 * scales it by the reset gate. */
static void step_gru(onnx_op *n, ir_build *b, const rnn *r, ir_ref xw, ir_ref rw, ir_ref rb,
                     ir_ref peep, ir_ref *carry)
{
    ir_ref h = carry[0], hidden_gate;
    dim_table *t = &b->m->dims;
    ir_dim two = dim_mul(t, r->hidden, dim_int(t, 2));

    (void)n, (void)peep;
    ir_ref first = ir_slice_axis(b, rw, 0, zero, one, two);
    ir_ref last = ir_slice_axis(b, rw, 0, two, one, r->hidden);
    ir_ref zr = dot_rows(b, h, first);
    zr = add(b, zr, rows(b, ir_slice_axis(b, rb, 0, zero, one, two), zr));
    ir_ref z = gate(b, xw, 0, r->hidden);
    z = add(b, z, gate(b, zr, 0, r->hidden));
    z = rnn_activate(b, &r->activation[0], z, r->clip);
    ir_ref reset = gate(b, xw, 1, r->hidden);
    reset = add(b, reset, gate(b, zr, 1, r->hidden));
    reset = rnn_activate(b, &r->activation[0], reset, r->clip);
    ir_ref bias = ir_slice_axis(b, rb, 0, two, one, r->hidden);
    if (r->linear_before_reset) {
        ir_ref hr = dot_rows(b, h, last);
        hidden_gate = mul(b, reset, add(b, hr, rows(b, bias, hr)));
    } else {
        ir_ref hr = dot_rows(b, mul(b, reset, h), last);
        hidden_gate = add(b, hr, rows(b, bias, hr));
    }
    ir_ref fresh =
        rnn_activate(b, &r->activation[1], add(b, gate(b, xw, 2, r->hidden), hidden_gate), r->clip);
    ir_ref keep = ir_2(b, OP_SUB, ir_splat(b, onnx_type_in(b, z), 1), z);
    ir_ref part = mul(b, keep, fresh);
    carry[0] = add(b, part, mul(b, z, h));
}

/* Direction d of an operand with a leading direction axis. */
static ir_ref direction(onnx_op *n, ir_ref x, int d)
{
    if (x == IR_NONE)
        return x;
    return ir_squeeze(n->b, ir_slice_axis(n->b, x, 0, (ir_dim){d}, one, one), 0);
}

/* select(t < length, now, before) on rows; `t` the step's number. */
static ir_ref within(ir_build *b, ir_ref t, ir_ref lengths, ir_ref now, ir_ref before)
{
    const ir_type *ty = onnx_type_in(b, now), *lt = onnx_type_in(b, lengths);
    ir_ref on = ir_2(b, OP_LT, ir_broadcast(b, t, lt->dim, 1, NULL), lengths);

    return ir_select(b, ir_broadcast_axis(b, on, ty->dim, ty->rank, 0), now, before);
}

/* One step in the body: the next carries, and h as the layer's output has it, which is 0
 * behind a row's length, where carries stay what they were. */
static ir_ref one_step(onnx_op *n, ir_loop *l, const rnn *r, const kind *k, ir_ref x, ir_ref rw,
                       ir_ref rb, ir_ref peep, const ir_ref *before)
{
    ir_build *b = &l->body;
    ir_ref carry[MAX_CARRIES], lengths = ir_loop_capture(l, "lengths", r->lengths);

    rw = ir_loop_capture(l, "r", rw);
    rb = ir_loop_capture(l, "b", rb);
    peep = ir_loop_capture(l, "p", peep);
    memcpy(carry, before, sizeof carry);
    k->step(n, b, r, x, rw, rb, peep, carry);
    ir_ref h = carry[0];
    if (lengths != IR_NONE && h != IR_NONE) {
        h = within(b, l->i, lengths, h, ir_splat(b, onnx_type_in(b, h), 0));
        for (int i = 0; i < k->carries; i++)
            carry[i] = within(b, l->i, lengths, carry[i], before[i]);
    }
    for (int i = 0; i < k->carries; i++)
        ir_loop_next(l, carry[i]);
    return h;
}

/* The loop of one direction.  xw: [steps, batch, gates*hidden].  Gives
 * out[0..carries) the last carries, out[carries] all h: [steps, batch, hidden]. */
static bool run_loop(onnx_op *n, const rnn *r, const kind *k, ir_ref xw, ir_ref rw, ir_ref rb,
                     ir_ref peep, const ir_ref *init, bool reverse, ir_ref *out)
{
    ir_ref carry[MAX_CARRIES] = {0};
    ir_loop l;

    if (xw == IR_NONE || rw == IR_NONE)
        return false;
    ir_loop_begin(&l, n->b, "step");
    l.at.trip = r->steps;
    l.at.reverse = reverse;
    for (int i = 0; i < k->carries; i++)
        carry[i] = ir_loop_carry(&l, i ? "c" : "h", init[i], NULL);
    ir_ref x = ir_loop_slice(&l, "x", xw, 0);
    ir_loop_stack(&l, one_step(n, &l, r, k, x, rw, rb, peep, carry), 0);
    ir_ref y = ir_loop_end(&l);
    for (int i = 0; i <= k->carries; i++)
        out[i] = y == IR_NONE ? y : y + (ir_ref)i;
    return y != IR_NONE;
}

/* X W' + b for all steps: [steps, batch, gates*hidden] */
static ir_ref project(onnx_op *n, ir_ref x, ir_ref w, ir_ref bias)
{
    const int32_t sx[1] = {2}, sw[1] = {1};
    ir_ref y = ir_dot(n->b, x, w, (ir_ints){0}, (ir_ints){0}, (ir_ints){1, sx}, (ir_ints){1, sw});

    if (y == IR_NONE || bias == IR_NONE)
        return y;
    const ir_type *t = onnx_type(n, y);
    return ir_2(n->b, OP_ADD, y, ir_broadcast_axis(n->b, bias, t->dim, t->rank, 2));
}

/* The first value of a carry that no operand gives: [batch, hidden]. */
static ir_ref zeros(onnx_op *n, const rnn *r, ir_ref like)
{
    ir_dim shape[2] = {r->batch, r->hidden};

    return ir_splat(n->b, ir_ty(n->b, onnx_dtype(n, like), shape, 2), 0);
}

/* Time reversed within each row's length: index len - 1 - t where t < len. */
static ir_ref flip_rows(onnx_op *n, const rnn *r, ir_ref x)
{
    ir_build *b = n->b;
    ir_dim shape[2] = {r->steps, r->batch};
    ir_ref t = ir_iota(b, DT_I64, shape, 2, 0), row = ir_iota(b, DT_I64, shape, 2, 1);
    ir_ref len = ir_broadcast_axis(b, r->lengths, shape, 2, 1);
    ir_ref back = ir_2(b, OP_SUB, ir_2(b, OP_SUB, len, onnx_splat_like(n, t, 1)), t);
    ir_ref index[2] = {ir_select(b, ir_2(b, OP_LT, t, len), back, t), row};

    return ir_gather(b, x, index, (int32_t[]){0, 1}, 2, false);
}

/* Runs the cell over the steps in direction d: out[0..] are the last carries, out[carries]
 * is the list of all hidden states.  Where sequences have lengths of their own, reverse is
 * each sequence turned around, run forward, and turned back. */
static bool one_direction(onnx_op *n, const rnn *r, const kind *k, ir_ref x, int d, bool back,
                          ir_ref *out)
{
    ir_build *b = n->b;
    dim_table *t = onnx_dims(n);
    ir_ref w = direction(n, r->w, d), rw = direction(n, r->rw, d), peep = direction(n, r->peep, d);
    ir_ref bias = direction(n, r->bias, d), rb = IR_NONE, init[MAX_CARRIES];
    ir_dim gates = dim_mul(t, r->hidden, dim_int(t, k->gates));
    bool flip = back && r->lengths != IR_NONE;

    if (bias != IR_NONE) {
        ir_ref wb = ir_slice_axis(b, bias, 0, zero, one, gates);
        rb = ir_slice_axis(b, bias, 0, gates, one, gates);
        bias = k->step == step_gru ? wb : ir_2(b, OP_ADD, wb, rb);
    }
    if (k->step == step_gru && rb == IR_NONE)
        rb = ir_splat(b, ir_ty(b, onnx_dtype(n, x), &gates, 1), 0);
    if (k->step != step_gru)
        rb = IR_NONE;
    for (int i = 0; i < k->carries; i++) {
        init[i] = r->initial[i] == IR_NONE ? zeros(n, r, x) : direction(n, r->initial[i], d);
        if (init[i] == IR_NONE)
            return false;
    }
    if (flip)
        x = flip_rows(n, r, x);
    if (!run_loop(n, r, k, project(n, x, w, bias), rw, rb, peep, init, back && !flip, out))
        return false;
    if (flip)
        out[k->carries] = flip_rows(n, r, out[k->carries]);
    return true;
}

/* [batch, steps, ..] and [batch, directions, ..] of layout 1 to layout 0 and back. */
static ir_ref swap01(onnx_op *n, ir_ref x)
{
    int32_t perm[IR_MAX_RANK] = {1, 0};

    if (x == IR_NONE)
        return x;
    for (int i = 2; i < onnx_rank(n, x); i++)
        perm[i] = i;
    return ir_transpose(n->b, x, perm);
}

/* Joins what the directions give, in the order of ONNX: first all hidden states, then the
 * last carries. */
static bool collect(onnx_op *n, const kind *k, ir_ref (*out)[MAX_CARRIES + 1], int directions,
                    bool layout)
{
    ir_ref part[2];

    for (int i = 0; i <= k->carries; i++) {
        bool all = i == k->carries;
        for (int d = 0; d < directions; d++)
            part[d] = ir_unsqueeze(n->b, out[d][i], all ? 1 : 0);
        ir_ref y = ir_concat(n->b, part, directions, all ? 1 : 0);
        if (layout && all && y != IR_NONE)
            y = ir_transpose(n->b, y, (int32_t[]){2, 0, 1, 3});
        else if (layout)
            y = swap01(n, y);
        if (!onnx_out(n, all ? 0 : i + 1, y))
            return false;
    }
    return true;
}

/* Operand i in these extents, or none if it is absent: false after an error. */
static bool load(onnx_op *n, const char *name, int i, const ir_dim *shape, int rank, ir_ref *x)
{
    *x = onnx_shaped(n, name, onnx_in(n, i), shape, rank);
    return *x != IR_NONE || !onnx_has(n, i);
}

/* All operands but X, whose extents are known. */
static bool load_operands(onnx_op *n, const kind *k, int directions, bool layout, rnn *r)
{
    dim_table *t = onnx_dims(n);
    ir_dim ways = {directions}, gates = dim_mul(t, r->hidden, dim_int(t, k->gates));
    ir_dim biases = dim_mul(t, gates, dim_int(t, 2)), peeps = dim_mul(t, r->hidden, dim_int(t, 3));
    ir_dim state[3] = {ways, r->batch, r->hidden};
    static const char *const name[] = {"initial_h", "initial_c"};

    r->peep = IR_NONE;
    if (!load(n, "W", 1, (ir_dim[]){ways, gates, r->input}, 3, &r->w) ||
        !load(n, "R", 2, (ir_dim[]){ways, gates, r->hidden}, 3, &r->rw) ||
        !load(n, "B", 3, (ir_dim[]){ways, biases}, 2, &r->bias) ||
        !load(n, "sequence_lens", 4, &r->batch, 1, &r->lengths) ||
        (k->carries == 2 && !load(n, "P", 7, (ir_dim[]){ways, peeps}, 2, &r->peep)))
        return false;
    r->lengths = ir_cast(n->b, r->lengths, DT_I64);
    if (layout)
        state[0] = r->batch, state[1] = ways;
    for (int i = 0; i < k->carries; i++) {
        if (!load(n, name[i], 5 + i, state, 3, &r->initial[i]))
            return false;
        if (layout)
            r->initial[i] = swap01(n, r->initial[i]);
    }
    return true;
}

/* RNN, GRU and LSTM, which differ in their cell.  Layout 1 (batch first) is turned to layout
 * 0 before and back behind. */
static bool recurrent(onnx_op *n, const kind *k)
{
    rnn r = {.clip = onnx_float(n, "clip", 0),
             .coupled = onnx_int(n, "input_forget", 0),
             .linear_before_reset = onnx_int(n, "linear_before_reset", 0)};
    const char *way = onnx_choice(n, "direction", "forward reverse bidirectional");
    bool both = !strcmp(way, "bidirectional"), layout = onnx_int(n, "layout", 0);
    ir_ref x = onnx_in(n, 0), out[2][MAX_CARRIES + 1];
    rnn_activation activation[2 * MAX_ACTIVATIONS];
    int directions = both ? 2 : 1;

    if (!rnn_activations(n, k->usual, k->activations, directions, activation))
        return false;
    if (x == IR_NONE || !onnx_has(n, 1) || !onnx_has(n, 2) || onnx_rank(n, x) != 3 ||
        onnx_rank(n, onnx_in(n, 1)) != 3 || onnx_rank(n, onnx_in(n, 2)) != 3)
        return onnx_fail(n, "takes X, W and R of rank 3");
    if (layout)
        x = swap01(n, x);
    r.steps = onnx_dim(n, x, 0), r.batch = onnx_dim(n, x, 1), r.input = onnx_dim(n, x, 2);
    r.hidden = onnx_dim(n, onnx_in(n, 2), 2);
    if (!load_operands(n, k, directions, layout, &r))
        return false;
    for (int d = 0; d < directions; d++) {
        r.activation = activation + d * k->activations;
        if (!one_direction(n, &r, k, x, d, d == 1 || !strcmp(way, "reverse"), out[d]))
            return false;
    }
    return collect(n, k, out, directions, layout);
}

bool onnx_rnn(onnx_op *n) { return recurrent(n, &(kind){1, 1, step_rnn, "Tanh", 1}); }
bool onnx_lstm(onnx_op *n)
{
    return recurrent(n, &(kind){4, 2, step_lstm, "Sigmoid Tanh Tanh", 3});
}
bool onnx_gru(onnx_op *n) { return recurrent(n, &(kind){3, 1, step_gru, "Sigmoid Tanh", 2}); }
