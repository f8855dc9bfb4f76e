"""Cuts a file whenever it is asked to: reads lines "PATH MIN AVG MAX", answers "SECONDS CHUNKS".

The seconds are those of this process's CPU, in cut_buf alone.
"""

import sys
import time
from pathlib import Path

from pyfastcdc import FastCDC

files = {}
for line in sys.stdin:
    path, *sizes = line.split()
    if path not in files:
        files[path] = Path(path).read_bytes()
    data = files[path]
    min_size, avg_size, max_size = map(int, sizes)
    cutter = FastCDC(min_size=min_size, avg_size=avg_size, max_size=max_size, normalized_chunking=1, seed=0)
    start = time.process_time()
    chunks = sum(1 for _ in cutter.cut_buf(data))
    print(time.process_time() - start, chunks, flush=True)
