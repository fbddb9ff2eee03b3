"""The model shipped with this package: a million parameters that know our formats and little else.

It makes tests and demonstrations of the whole loop cheap. Its proposals are mostly valid and its
answers sometimes right; it does not reason, and nothing measured with it says anything about
learning. `weights/` holds it in the Hugging Face layout (`engine.policy.pretrained` calls it
`tiny`); `python -m engine.tiny --out DIR` makes it again from nothing but code in some minutes.
"""
