"""The forward model: a moving hand -> muscles -> eight electrodes around a forearm -> an armband's samples.

Numpy only. `generator.session` makes a recording, `generator.Stream` makes the same samples piece by
piece and for ever. README.md in this folder tells what is modelled, from which sources, and how hard
the result is to invert.
"""
