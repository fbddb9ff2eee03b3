"""The model shipped with this package: a million parameters that know our formats and little else.

It makes tests and demonstrations of the whole loop cheap. It does not reason, and nothing measured
with it says anything about learning. In this project's sandbox, at temperature 1 and 96 proposals a
row, 82 to 85 % of its deduction and abduction proposals are admitted and 58 to 77 % of those for
induction; of its answers to them 5 to 10 % are right, for induction 0 to 2 %.

`weights/` holds it in the Hugging Face layout (`engine.policy.pretrained` calls it `tiny`);
`python -m engine.tiny --out DIR` makes it again from nothing but code, in some minutes.
"""
