// The lowering against a direct evaluation of the graph, and what it must make of known graphs.
#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>

#include "network/reference.h"
#include "selftest/harness.h"
#include "selftest/network_graphs.h"

namespace bulwark::selftest {
namespace {

int last(const Network& network) { return static_cast<int>(network.nodes.size()) - 1; }

/// The largest difference between the lowered network and the graph at a random point, relative to the
/// largest value any node takes.
double difference(Random& random, const std::vector<graph::Node>& graph, const Network& network) {
  const std::vector<double> x = normals(random, network.inputSize());
  const std::vector<std::vector<double>> values = evaluate(graph, x);
  std::vector<double> stored;
  for (const int32_t feature : network.order(0)) stored.push_back(x[feature]);
  const std::vector<double> y = reference::forward(network, stored.data());
  const std::vector<int32_t> order = network.order(last(network));
  if (y.size() != values.back().size() || order.size() != y.size()) return INFINITY;
  double largest = 1e-30, error = 0;
  for (const auto& value : values) {
    for (const double v : value) largest = std::max(largest, std::fabs(v));
  }
  for (size_t i = 0; i < y.size(); ++i) error = std::max(error, std::fabs(y[i] - values.back()[order[i]]));
  return error / largest;
}

void checkForm(Context& context, const Network& network) {
  for (int id = 0; id <= last(network); ++id) {
    const Node& node = network.nodes[id];
    context.check((node.kind == NodeKind::input) == (id == 0), "node 0 alone is an input");
    for (const int input : node.inputs) context.check(input < id, "nodes are in topological order");
    const auto size = [&](int which) { return network.nodes[node.inputs[which]].shape.size(); };
    if (node.kind == NodeKind::affine) {
      const Affine& affine = network.affines[node.affine];
      context.check(inputSize(affine) == size(0) && outputSize(affine) == node.shape.size(),
                    "affine sizes fit");
    } else if (node.kind == NodeKind::add) {
      context.check(node.inputs[0] != node.inputs[1] && size(0) == size(1),
                    "an add has two inputs of one size");
    }
  }
}

const Test randomGraphs("lowering agrees with the graph", [](Context& context) {
  size_t before = 0, after = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::vector<graph::Node> graph = randomGraph(context.random, pick(context.random, 0, 14));
    const Network network = lower(graph);
    context.error("output", difference(context.random, graph, network), 1e-11);
    checkForm(context, network);
    before += graph.size();
    after += network.nodes.size();
  }
  context.check(after < before, "folding leaves fewer nodes");
});

std::string kinds(const Network& network) {
  std::string result;
  for (const Node& node : network.nodes) {
    if (node.kind == NodeKind::input) result += 'i';
    if (node.kind == NodeKind::relu) result += 'r';
    if (node.kind == NodeKind::add) result += '+';
    if (node.kind == NodeKind::affine) result += "LCSX"[network.affines[node.affine].index()];
  }
  return result;
}

void expect(Context& context, const char* what, const GraphBuilder& graph, const std::string& wanted) {
  const Network network = lower(graph.nodes);
  context.check(kinds(network) == wanted,
                std::string(what) + " became " + kinds(network) + " instead of " + wanted);
  context.error(what, difference(context.random, graph.nodes, network), 1e-12);
}

const Test knownGraphs("lowering folds what it should", [](Context& context) {
  Random& random = context.random;
  const std::array<int, 2> three = {3, 3}, two = {2, 2}, one = {1, 1};
  const std::array<int, 4> none = {0, 0, 0, 0}, all = {1, 1, 1, 1};
  {
    GraphBuilder g({3, 8, 8});  // normalisation, padding, convolution, batch norm, flatten, two matrices
    int x = g.pad(g.scale(random, 0, true), {1, 0, 2, 1});
    x = g.relu(g.scale(random, g.conv(random, x, 4, three, two, one, all, 1), true));
    x = g.linear(random, g.scale(random, g.reshape(x, {g.size(x)}), false), {10});
    g.linear(random, x, {5});
    expect(context, "a normalised convolutional network", g, "iCrL");
  }
  {
    GraphBuilder g({12});
    g.conv(random, g.reshape(0, {3, 2, 2}), 2, two, one, one, all, 1);
    expect(context, "a vector read as a map", g, "iC");
  }
  {
    GraphBuilder g({4, 5, 3});  // pixels first, as other frameworks export
    g.conv(random, g.transpose(0, {2, 0, 1}), 2, two, one, one, none, 1);
    expect(context, "an input with channels last", g, "iC");
  }
  {
    GraphBuilder g({2, 4, 4});
    g.linear(random, g.reshape(g.relu(g.reshape(g.conv(random, 0, 3, three, one, one, none, 1), {12})), {12}),
             {2});
    expect(context, "a ReLU behind a flatten", g, "iCrL");
  }
  {
    GraphBuilder g({2, 4, 4});
    const int a = g.conv(random, 0, 2, three, one, one, all, 1);
    const int b = g.conv(random, g.relu(a), 2, three, one, one, all, 2);
    const int c = g.relu(g.sum(b, a));
    g.sum(c, g.conv(random, c, 2, one, one, one, none, 1));
    expect(context, "residual blocks", g, "iCrC+rC+");
  }
  {
    GraphBuilder g({6});
    g.relu(g.relu(g.sum(0, 0)));
    expect(context, "relu(relu(x + x))", g, "iSr");
  }
  {
    GraphBuilder g({2, 3, 3});
    g.conv(random, 0, 5, three, one, one, none, 1);
    expect(context, "a convolution that sees the whole map", g, "iL");
  }
  {
    GraphBuilder g({2, 3, 3});
    g.linear(random, 0, {40});
    const int kept = g.relu(0);
    g.relu(g.linear(random, 0, {3}));
    g.reshape(kept, {3, 3, 2});
    expect(context, "a reshape of an early node as output", g, "ir");
  }
  {
    GraphBuilder g({10});
    g.linear(random, g.linear(random, 0, {2}), {10});
    expect(context, "a bottleneck", g, "iLL");
  }
  {
    GraphBuilder g({2, 2, 2});
    expect(context, "the identity", g, "i");
    g.conv(random, 0, 2, one, one, one, none, 1);
    g.scale(random, 1, false);
    expect(context, "a scale per pixel", g, "iCS");
  }
});

const Test refusals("lowering refuses graphs that do not fit", [](Context& context) {
  Random& random = context.random;
  const auto refuses = [&](const char* what, const std::function<void(std::vector<graph::Node>&)>& spoil) {
    GraphBuilder g({2, 4, 4});
    g.conv(random, 0, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2);
    g.scale(random, 1, true);
    g.sum(2, g.pad(2, {0, 0, 0, 0}));
    g.linear(random, g.relu(g.reshape(4, {64})), {3});
    spoil(g.nodes);
    try {
      lower(g.nodes);
      context.check(false, std::string(what) + " was accepted");
    } catch (const std::invalid_argument& error) {
      const std::string message = error.what();
      context.check(message.find("node '") != std::string::npos || g.nodes.empty(),
                    message + " names no node");
    }
  };
  using Nodes = std::vector<graph::Node>;
  refuses("an empty graph", [](Nodes& n) { n.clear(); });
  refuses("a graph without input", [](Nodes& n) { n[0].op = graph::Relu{}; });
  refuses("a second input", [](Nodes& n) { n[5].op = graph::Input{}; });
  refuses("a forward reference", [](Nodes& n) { n[1].inputs = {2}; });
  refuses("a negative reference", [](Nodes& n) { n[1].inputs = {-1}; });
  refuses("an add of one", [](Nodes& n) { n[4].inputs = {2}; });
  refuses("a shape of rank 2", [](Nodes& n) { n[5].shape = {8, 8}; });
  refuses("an empty shape", [](Nodes& n) { n[5].shape = {0}; });
  refuses("a huge shape", [](Nodes& n) { n[0].shape = {2000, 2000, 2000}; });
  refuses("more features than can be run", [](Nodes& n) {
    n = {{"x", {1 << 25}, {}, graph::Input{}}};
    for (int id = 1; id < 3; ++id) n.push_back({"r", {1 << 25}, {id - 1}, graph::Relu{}});
  });
  refuses("a wrong convolution shape", [](Nodes& n) { n[1].shape = {4, 5, 4}; });
  refuses("a wrong group", [](Nodes& n) { std::get<graph::Conv>(n[1].op).group = 3; });
  refuses("negative padding", [](Nodes& n) { std::get<graph::Conv>(n[1].op).pads[0] = -1; });
  refuses("stride 0", [](Nodes& n) { std::get<graph::Conv>(n[1].op).strides[1] = 0; });
  refuses("a short weight", [](Nodes& n) { std::get<graph::Conv>(n[1].op).weight.pop_back(); });
  refuses("a long bias", [](Nodes& n) { std::get<graph::Conv>(n[1].op).bias.push_back(0); });
  refuses("a NaN weight", [](Nodes& n) { std::get<graph::Linear>(n.back().op).weight[7] = NAN; });
  refuses("an infinite shift", [](Nodes& n) { std::get<graph::Scale>(n[2].op).shift[3] = INFINITY; });
  refuses("a short scale", [](Nodes& n) { std::get<graph::Scale>(n[2].op).scale.pop_back(); });
  refuses("an index out of range", [](Nodes& n) { std::get<graph::Index>(n[3].op).source[0] = 64; });
  refuses("an index below -1", [](Nodes& n) { std::get<graph::Index>(n[3].op).source[0] = -2; });
  refuses("an add of unlike shapes", [](Nodes& n) { n[4].inputs = {0, 2}; });
  refuses("a reshape to another size", [](Nodes& n) { n[5].shape = {63}; });
  refuses("a ReLU that reshapes", [](Nodes& n) { n[6].shape = {4, 4, 4}; });
});

}  // namespace
}  // namespace bulwark::selftest
