"""Signal along the genome for a model to learn: decoded once, and read for many windows at once."""

from strandwise.data.readers import SignalBatch
from strandwise.data.signals.cache import Planned, SignalCache, SignalStream, default_folder
from strandwise.data.signals.gather import Measured, SignalReader
from strandwise.data.signals.in_peaks import signal_in_peaks, uneven_peaks
from strandwise.data.signals.signal import CachedSignal, Signal, StreamedSignal
from strandwise.data.signals.some import SomeTracks
from strandwise.data.signals.tracks import Strand, Track, Transform, tracks_type

__all__ = [
    "CachedSignal",
    "Measured",
    "Planned",
    "Signal",
    "SignalBatch",
    "SignalCache",
    "SignalReader",
    "SignalStream",
    "SomeTracks",
    "Strand",
    "StreamedSignal",
    "Track",
    "Transform",
    "default_folder",
    "signal_in_peaks",
    "tracks_type",
    "uneven_peaks",
]
