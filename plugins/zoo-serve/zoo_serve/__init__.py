"""Serve a model that ``zoo export`` wrote over HTTP: for programs at ``/predict``, for people at ``/``.

    upload ─► read and scale (threads) ─► wait for other images ─► network (one thread) ─► named classes
     limits    one file to pixels          Batcher                   zoo_runtime.Classifier

``cli`` starts it, ``app`` is what each address answers, ``engine`` turns bytes into probabilities.
"""
