"""What there is to tune in a small convolutional network that sorts images into classes.

Importance as in the classic course notes: the learning rate first, then momentum (or Adam's beta1), batch size and the
widths of the layers, then depth, size of the kernels, learning-rate decay, dropout and batch normalisation, last what
Adam can mostly be left alone with. Where there is a usual value (momentum and beta1 0.9, beta2 0.999, epsilon 1e-8) it
lies in the middle of its range, on the range's scale.
"""

from search_spaces.choices import Choice
from search_spaces.numeric import Float, Int
from search_spaces.space import Space

_SGD = {"optimizer": ["sgd"]}
_ADAM = {"optimizer": ["adam"]}

space = Space(
    learning_rate=Float(1e-4, 1, "log", group=1),
    optimizer=Choice(["sgd", "adam"], group=2),
    momentum=Float(0.5, 0.98, "reverse_log", group=2, when=_SGD),
    beta1=Float(0.5, 0.98, "reverse_log", group=2, when=_ADAM),
    batch_size=Choice([32, 64, 128, 256], group=2, default=64),
    # Of the first block; each block after it has twice as many.
    filters=Int(8, 32, "log", group=2),
    dense_units=Int(32, 256, "log", group=2),
    blocks=Int(1, 3, group=3),
    kernel_size=Choice([3, 5], group=3),
    # In epoch e = 1, 2, … the learning rate is learning_rate / (1 + learning_rate_decay * (e - 1)).
    learning_rate_decay=Float(1e-3, 1, "log", group=3),
    dropout=Float(0, 0.5, group=3),
    batch_normalization=Choice([False, True], group=3),
    beta2=Float(0.99, 0.9999, "reverse_log", group=4, when=_ADAM),
    epsilon=Float(1e-10, 1e-6, "log", group=4, when=_ADAM),
)
