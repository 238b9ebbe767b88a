"""A peer of scripts/bench-peers: `peer.py networkit|igraph FOLDER [--directed] [--weighted]`.

Loads the graph of FOLDER as benches/kernels.rs writes it, and answers the same requests from stdin with the same replies: only the
kernel is timed, the answer is written as f64. Threads are the caller's to set by OMP_NUM_THREADS, which networkit reads; igraph has one.
"""
import json, pathlib, sys, time

import numpy as np


def memory(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    return 0


class Took:
    """Seconds, and highest memory beside what there was before."""

    def __init__(self):
        self.seconds, self.peak = 0.0, 0

    def part(self, work):
        before = memory("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        began = time.perf_counter()
        done = work()
        self.seconds += time.perf_counter() - began
        self.peak = max(self.peak, memory("VmHWM") - before)
        return done


class NetworKit:
    def __init__(self, nodes, edges, weights, is_directed):
        import networkit

        self.nk = networkit
        ends = (edges[:, 0].astype(np.uint64), edges[:, 1].astype(np.uint64))
        data = np.ones(len(edges)) if weights is None else weights.astype(float)
        self.graph = networkit.GraphFromCoo((data, ends), n=nodes, weighted=weights is not None, directed=is_directed)

    def run(self, took, algorithm):
        took.part(algorithm.run)
        return algorithm

    def answer(self, kernel, numbers, took):
        centrality, graph = self.nk.centrality, self.graph
        if kernel == "pagerank":
            found = self.run(took, centrality.PageRank(graph, 0.85, numbers[1]))
            return found.scores(), found.numberOfIterations()
        if kernel == "bfs":
            hops = [self.run(took, self.nk.distance.BFS(graph, int(source), False)).getDistances(True) for source in numbers]
            # What is not reached is the largest number there is.
            hops = np.concatenate([np.asarray(one) for one in hops])
            return np.where(hops > 1e300, np.inf, hops), 0
        if kernel == "kcore":
            return self.run(took, centrality.CoreDecomposition(graph)).scores(), 0
        if kernel == "kadabra":
            found = self.run(took, centrality.KadabraBetweenness(graph, numbers[0], numbers[1]))
            return np.asarray(found.scores()), found.getNumberOfIterations()
        if kernel == "harmonic":
            return self.run(took, centrality.TopHarmonicCloseness(graph, int(numbers[0]))).topkScoresList(), 0
        if kernel == "leiden":
            self.nk.setSeed(1, False)
            found = self.run(took, self.nk.community.ParallelLeiden(graph)).getPartition()
            return found.getVector(), self.nk.community.Modularity().getQuality(found, graph)
        raise SystemExit(f"networkit is not asked for {kernel}")


class Igraph:
    def __init__(self, nodes, edges, weights, is_directed):
        import igraph

        self.graph = igraph.Graph(n=nodes, edges=edges.astype(np.int64), directed=is_directed)
        self.weights = None if weights is None else weights.astype(float).tolist()

    def answer(self, kernel, numbers, took):
        graph = self.graph
        if kernel == "betweenness":
            return took.part(graph.betweenness), 0
        if kernel == "kcore":
            return took.part(graph.coreness), 0
        if kernel == "leiden":
            import random

            random.seed(1)
            found = took.part(lambda: graph.community_leiden(objective_function="modularity", n_iterations=2))
            return found.membership, graph.modularity(found.membership)
        if kernel == "yen":
            costs, weights = [], np.asarray(self.weights)
            for source, target in zip(numbers[1::2], numbers[2::2]):
                find = lambda: graph.get_k_shortest_paths(int(source), int(target), k=int(numbers[0]), weights=self.weights, output="epath")
                costs += [weights[path].sum() for path in took.part(find)]
            return costs, len(costs)
        raise SystemExit(f"igraph is not asked for {kernel}")


def main():
    name, folder, *flags = sys.argv[1:]
    folder = pathlib.Path(folder)
    nodes = int((folder / "nodes").read_text())
    edges = np.fromfile(folder / "edges", np.uint32).reshape(-1, 2)
    weights = np.fromfile(folder / "weights", np.float32) if "--weighted" in flags else None
    peer = {"networkit": NetworKit, "igraph": Igraph}[name](nodes, edges, weights, "--directed" in flags)
    del edges
    print(json.dumps({"loaded": memory("VmRSS")}), flush=True)
    for line in sys.stdin:
        kernel, _, file, *numbers = line.split()
        took = Took()
        answer, told = peer.answer(kernel, [float(number) for number in numbers], took)
        if file != "-":
            np.asarray(answer, float).tofile(file)
        print(json.dumps({"seconds": took.seconds, "peak": took.peak, "told": told}), flush=True)


if __name__ == "__main__":
    main()
