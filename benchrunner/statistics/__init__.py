"""Statistics of benchmarks: which differences are real, how sure a median is, where a history changed.

Pure functions of numbers; what the numbers are of is the business of `benchrunner.compare`.
"""
