/* An op: all that is known of one primitive, in one file, core/ops/<name>.c, as `const Op op_<name>`. The registry
 * (op_table) is generated from the folder. Only shape rules may fail; kernels cannot. */
#ifndef CORE_OP_H
#define CORE_OP_H
#include <math.h>
#include "tensor.h"

enum { MAX_IN = 8, MAX_ATTR = 16, MAX_ACT_ATTR = 2 };

typedef struct Node Node;
typedef struct Builder Builder;
typedef struct Narrowing Narrowing;

/* A value as a kernel sees it: dense numbers, logical shape, memory order. data is NULL for an absent optional input. */
typedef struct View {
  float *data;
  Shape shape;
  Layout layout;       /* CHANNELS_LAST only for rank 4 */
  Tensor *tensor;      /* behind it, for other forms of its numbers (tensor_form); NULL when it lives in the arena */
  int64_t shift;       /* from that tensor's first element to data */
} View;

/* Element-wise maps that a convolution or a linear map can apply to its sums before it stores them. Each is an op too, whose
 * first attributes are its own (kern->activate). */
typedef enum Activation {
  ACT_NONE, ACT_RELU, ACT_LEAKY_RELU, ACT_CLAMP, ACT_SIGMOID, ACT_TANH, ACT_SILU, ACT_HARDSWISH, ACT_GELU
} Activation;

/* What the planner fused behind an op's own result r:
 * y = act(scale[k] * r + shift[k] + residual), or in place of act 0 where gate is not above 0 (the gradient of a ReLU with
 * output gate).
 * Channels k run along the output's channels; scale NULL: 1, shift NULL: 0, residual, gate NULL: none (else buffers of the
 * output's shape and layout). */
typedef struct Epilogue {
  const float *scale, *shift, *residual, *gate;
  Activation act;
  const double *act_attr; /* the activation's attributes; NULL for those that have none */
} Epilogue;

typedef struct Call {
  const double *attr;
  uint64_t seed;   /* of random ops: same seed, same numbers */
  int n_in;
  View in[MAX_IN];
  View out;
  View beside;       /* no data, or where the value of another op goes that is computed along the way (Op.beside) */
  Epilogue epilogue; /* only ops that fuse ever see one that is not empty */
  const struct Op *first_op; /* NULL, or of the call whose result in[0] is, to be computed along the way: in[0] has no data (Op.pair) */
  const struct Call *first;
  void *scratch;     /* op->scratch() bytes, 64-byte aligned */
} Call;

/* How a rank-4 value must lie in memory. OP_ANY: inputs come as they are (mixed layouts possible; use shape_strides),
 * the output takes the layout of the first rank-4 input of its own shape, else the first rank-4 input, else channels-last.
 * OP_CHANNELS_LAST, OP_ROW_MAJOR: all rank-4 inputs and the output are in it. OP_ALIAS: row-major in, and the output is the same bytes
 * under another shape: forward is not called (reshape). */
typedef enum OpLayout { OP_ANY, OP_CHANNELS_LAST, OP_ROW_MAJOR, OP_ALIAS } OpLayout;

/* One row of an op's tests: shapes of the inputs ("2,3,8,8 5,3,3,3 -": space between inputs, "-" absent, "1" a vector,
 * "." a scalar), attributes as in args ("stride=2,2 padding=1,1"), and what to check. */
typedef struct OpCase {
  const char *shapes;
  const char *attrs;
  unsigned flags;
} OpCase;
enum {
  CASE_NO_GRAD = 1,    /* not differentiable (argmax, comparisons), or checked by another op's case: do not run finite differences */
  CASE_KINKS = 2,      /* inputs are drawn away from kinks (|x| > 0.1, all different) */
  CASE_POSITIVE = 4,   /* inputs are drawn in (0.5, 1.5) */
  CASE_INDEX_LAST = 8, /* the last present input holds indices below the first input's dim `dim` (attribute), else its dim 1 */
  CASE_RANDOM = 16,    /* output is random: reference checks statistics itself (op->reference may be NULL) */
  CASE_COARSE = 32,    /* inputs are drawn from -2, -1, 0, 1, 2, so that many are equal */
  CASE_UNIT = 64,      /* inputs are drawn in (0.05, 0.95): probabilities */
  CASE_CONST_LAST = 128, /* no gradient is asked for the last present input (class weights) */
};

/* What forward honours of Call.epilogue. FUSE_TAIL: residual, activation, gate. FUSE_MAP: also scale and shift; in[2] is the
 * bias, which comes as part of shift. */
typedef enum OpFuse { FUSE_NONE, FUSE_TAIL, FUSE_MAP } OpFuse;

typedef struct Op {
  const char *name; /* "conv2d" */
  /* Inputs, then attributes with defaults: "x w b? | stride=1,1 padding=0,0 groups=1". "?" marks an optional input.
   * "dims=*" is a list of up to 8 whole numbers, filled up with ATTR_END. Attributes fill attr[] from left to right. One whose default is
   * written as a whole number (or true, false, END) takes whole numbers, which build() sees to; "1.0", "1e-5", "inf" take any. */
  const char *args;
  const char *doc; /* one line, with the formula */
  OpLayout layout;
  OpFuse fuses;
  Activation activation; /* the one this op is, for the planner to fuse; ACT_NONE: not one */
  int in_place;    /* forward may be called with the data of any of the first so many inputs as out.data (same shape and layout) */
  /* Whether forward may be called with out.data == epilogue.residual for these shapes; NULL: never. */
  bool (*over_residual)(const Shape *in, int n_in, const double *attr, const Shape *out);
  bool random;     /* uses seed */
  DType dtype;     /* what the output is shown and saved as (indices: DTYPE_I64, comparisons: DTYPE_BOOL) */
  bool per_sample; /* row i of the output depends on row i of the inputs that have a batch dim only (true for all but batch statistics, reductions over dim 0 …): lets fit cache frozen prefixes */
  /* Decides in place of per_sample where shapes or attributes tell (permute, sum); NULL: per_sample stands. Ask op_keeps_samples. */
  bool (*keeps_samples)(const Shape *in, int n_in, const double *attr);
  /* The output's shape; false with e filled ("expects 512 channels, got 256") when the inputs do not fit. in[i].rank is
   * -1 for an absent optional input. The op and module names are added by the caller. */
  bool (*shape)(const Shape *in, int n_in, const double *attr, Shape *out, Err *e);
  void (*forward)(const Call *c);
  /* Adds the gradient nodes: dx[i] for each input with needs[i] (others stay NULL). dy has n's shape. NULL: not differentiable. */
  void (*grad)(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx);
  /* Where only a part of n's value is read: nodes that make it of parts of the inputs, so that the rest is not computed; the last, given back,
   * has the part's shape. NULL: it takes all of n. Asked twice, see Narrowing. The field NULL: never. */
  Node *(*narrow)(Narrowing *w, Node *n);
  size_t (*scratch)(const Shape *in, int n_in, const double *attr, const Shape *out); /* bytes; NULL: none */
  /* Bytes of scratch that forward wants where it computes in[0] itself, a part at a time, from the call that would make it (of first_op,
   * with inputs of shapes `first`): the whole never lies in memory, and no other step sees it. 0: it cannot; NULL: never. */
  size_t (*pair)(const struct Op *first_op, const Shape *first, const double *first_attr, const Shape *in, const double *attr, const Shape *out);
  /* Whether forward can fill Call.beside with the value of `other`, whose inputs are the first of its own; NULL: never. */
  bool (*beside)(const struct Op *other, const double *other_attr, const Shape *in, const double *attr);
  int64_t (*macs)(const Shape *in, int n_in, const double *attr, const Shape *out);   /* multiply-adds; NULL: none */
  /* Which of its algorithms forward takes for these shapes ("winograd 4x4"), a literal; NULL: it has but one. */
  const char *(*algorithm)(const Shape *in, int n_in, const double *attr, const Shape *out);
  /* The naive truth for tests, in double over row-major logical arrays: in[i] NULL where absent. */
  void (*reference)(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *out_shape);
  /* Where the output in layout `to` would be bytes of in[0] in layout `from`: how many elements from its start, else -1. The
   * planner then takes no step. NULL: nowhere. */
  int64_t (*alias)(const Shape *in, Layout from, const double *attr, const Shape *out, Layout to);
  const OpCase *cases; /* ends with a row whose shapes is NULL */
} Op;

/* Fills the unused places of a list attribute; no whole number is equal to it. */
#define ATTR_END (-(double)INFINITY)

extern const Op *const op_table[]; /* ends with NULL */
extern const int op_count;
const Op *op_find(const char *name);
/* Whether row i of the output depends on row i of the inputs only, for these shapes and attributes. */
bool op_keeps_samples(const Op *op, const Shape *in, int n_in, const double *attr);

/* args taken apart, for argument checks, printing and help. */
typedef struct OpArg {
  char name[24];
  bool input, optional, list, whole;
  int slot, n;          /* attributes: first place in attr[] and how many */
  double value[MAX_IN]; /* attributes: defaults */
} OpArg;
int op_args(const Op *op, OpArg *arg, int max); /* returns how many */
void op_defaults(const Op *op, double *attr);
/* Whether the attributes that take whole numbers hold such; false with e: "stride expects a whole number, got 1.5". */
bool op_attrs_check(const Op *op, const double *attr, Err *e);
/* Reads "stride=2,2 padding=1" over the defaults; one number for a pair fills both. */
bool op_attrs_parse(const Op *op, const char *text, double *attr, Err *e);
#endif
