"""What one would write instead of `softmax`: a script for each library and job.

Each is run as `python -m benchmarks.rivals.NAME INPUT OUTPUT K`, with BENCHMARK_THREADS threads.
"""
