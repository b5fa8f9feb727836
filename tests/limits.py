"""How long a child of a test may take: seconds of the processor, which other programs on the
machine do not use up, and for what waits or sleeps ten times as many by the clock."""
import resource

CLOCK = 10                      # seconds by the clock for each of the processor


def cpu_limit(seconds):
    """The preexec_fn of a child that the system ends when it has run for so long."""
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
