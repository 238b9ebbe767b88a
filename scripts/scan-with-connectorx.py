"""The peer of benches/postgres_scan.rs: one read of the same table, its figures as JSON.

scan-with-connectorx.py PARTITIONS COLUMN,… with the database in SCAN_URL.
"""

import json
import os
import resource
import sys
import time

import connectorx
import pyarrow  # noqa: F401  what the rows become; loaded before the clock starts

partitions, columns = int(sys.argv[1]), sys.argv[2]
query = f"SELECT {columns}{', n' if partitions > 1 else ''} FROM attendance"
split = {"partition_on": "n", "partition_num": partitions} if partitions > 1 else {}


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


began, before = time.monotonic(), cpu()
table = connectorx.read_sql(os.environ["SCAN_URL"], query, return_type="arrow", **split)
figures = {
    "rows": table.num_rows,
    "seconds": time.monotonic() - began,
    "cpu_seconds": cpu() - before,
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}
json.dump(figures, sys.stdout)
