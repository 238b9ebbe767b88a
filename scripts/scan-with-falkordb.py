"""The peer of benches/snapshot.rs: one read of the same graph by FalkorDB's Python client, its figures as JSON.

scan-with-falkordb.py GRAPH NODES LABEL,… RELATION,… with the server in SCAN_URL. The same columns by the same ranges of ids, a
thousand of them at a time; rows are counted and dropped, in the peer's favour.
"""

import json
import os
import resource
import sys
import time

from falkordb import FalkorDB

PAGE = 1_000
graph_name, nodes, labels, relations = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4].split(",")
client = FalkorDB.from_url(os.environ["SCAN_URL"])
graph = client.select_graph(graph_name)


def ours():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def theirs():
    told = client.connection.info("cpu")
    return told["used_cpu_user"] + told["used_cpu_sys"]


def read(query):
    began, before, server = time.monotonic(), ours(), theirs()
    rows = longest = 0
    for start in range(0, nodes, PAGE):
        page = time.monotonic()
        rows += len(graph.ro_query(query, {"from": start, "to": start + PAGE}).result_set)
        longest = max(longest, time.monotonic() - page)
    return {"rows": rows, "seconds": time.monotonic() - began, "ours": ours() - before, "theirs": theirs() - server, "longest_ms": longest * 1e3}


def together(reads):
    reads = list(reads)
    return {key: (max if key == "longest_ms" else sum)(read[key] for read in reads) for key in reads[0]}


columns = ", ".join(f"n.{name}" for name in ("uid", "name", "gen", "created", "rating", "reach"))
within = "id({0}) >= $from AND id({0}) < $to"
figures = {
    "nodes": together(read(f"MATCH (n:{label}) WHERE {within.format('n')} RETURN id(n), {columns}") for label in labels),
    "edges": together(
        read(f"MATCH (a)-[e:{relation}]->(b) WHERE {within.format('a')} RETURN id(a), id(b), id(e), e.timestamp, e.weight")
        for relation in relations
    ),
}
json.dump(figures, sys.stdout)
