"""Serve a model that ``zoo export`` wrote over HTTP: for programs at ``/predict``, for people at ``/``.

    upload ─► read (threads) ─► wait for images of the same size ─► network (one thread) ─► named classes
     limits    one file to pixels          Batcher                   zoo_runtime.Classifier

``cli`` starts it, ``app`` is what each address answers, ``engine`` turns bytes into probabilities.
"""
