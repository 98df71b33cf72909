// CUB: `DeviceScan::InclusiveScan` with operators of our own, forward and backward. Not yet run on a machine of ours.
//
//   nvcc -O3 -std=c++17 -arch=native cub.cu -o cub && ./cub 4x4096x256 64x101x64
//
// DeviceScan knows one long sequence. All B·D of them lie one behind the other, time fastest, and the first step of each forgets
// what came before. Two rows, by where an element lies in memory:
//
//   cub [B,D,T]    time contiguous, as DeviceScan reads and writes fastest; a transpose from [B,T,D] is not counted
//   cub [B,T,D]    as the library's: the iterators jump by D
//
// The gate is in the input iterator, the amplitude (and backward the surrogates) in the output iterator: one kernel for all.
// Backward gives the gradients of candidate and threshold; that of the amplitude, a sum over a channel, is left out.
//
// Prints the JSON lines that `common.py` describes. States must be the loop's bit for bit, gradients within its TOLERANCE.

#define CCCL_IGNORE_DEPRECATED_API // newer versions want the same iterators by their names in cuda::, which older ones lack

#include <cub/cub.cuh>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/tabulate_output_iterator.h>
#include <thrust/iterator/transform_iterator.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#define BOTH __host__ __device__ __forceinline__

// 32 bits, because a division by a 64-bit number costs more than the scan. All shapes are below 2^32 elements.
using Index = std::uint32_t;

struct Layout {
    Index B, T, D;
    bool time_contiguous;

    BOTH Index elements() const { return B * T * D; }
    BOTH Index time(Index position) const { return position % T; }
    BOTH Index channel(Index position) const { return position / T % D; }
    // Where the element lies that is `position`th in the order of the scan.
    BOTH Index at(Index position) const {
        return time_contiguous ? position : (position / T / D * T + time(position)) * D + channel(position);
    }
    // From an element to that of the next step.
    BOTH Index step() const { return time_contiguous ? 1 : D; }
};

// Forward. An element is what a stretch does to the state; the later one counts unless it holds. HOLD is the identity, and the
// operator is associative and exact; it does not commute.
enum Code : std::uint8_t { HOLD, START, MINUS, PLUS };

struct Later {
    BOTH std::uint8_t operator()(std::uint8_t first, std::uint8_t then) const { return then != HOLD ? then : first; }
};

struct ReadCode {
    const float *c, *r;
    Layout layout;

    BOTH std::uint8_t operator()(Index position) const {
        const Index i = layout.at(position);
        if (fabsf(c[i]) > fabsf(r[i])) return c[i] > 0 ? PLUS : MINUS;
        return layout.time(position) == 0 ? START : HOLD;
    }
};

struct WriteState {
    float *h;
    const float *alpha;
    Layout layout;

    BOTH void operator()(std::ptrdiff_t position, std::uint8_t code) const {
        const float a = alpha[layout.channel(Index(position))];
        h[layout.at(Index(position))] = code == PLUS ? a : code == MINUS ? -a : 0.0f;
    }
};

// Backward, from the end. An element is (does the step after it hold?, what reaches it). Associative but for rounding.
struct Adjoint {
    float g;
    std::uint32_t holds;
};

struct Earlier {
    BOTH Adjoint operator()(Adjoint after, Adjoint then) const {
        return {then.holds ? then.g + after.g : then.g, after.holds & then.holds};
    }
};

struct ReadAdjoint {
    const float *c, *r, *dh;
    Layout layout;

    BOTH Adjoint operator()(Index from_the_end) const {
        const Index position = layout.elements() - 1 - from_the_end, i = layout.at(position), next = i + layout.step();
        const bool holds = layout.time(position) + 1 < layout.T && !(fabsf(c[next]) > fabsf(r[next]));
        return {dh[i], holds};
    }
};

// The library's default surrogate, ArcTan of slope 2.
template <typename Float> BOTH Float arctan_surrogate(Float u) {
    const Float x = Float(3.14159265358979323846) * u;
    return 1 / (1 + x * x);
}

struct WriteGradients {
    const float *c, *r, *alpha, *h;
    float *dc, *dr;
    Layout layout;

    BOTH void operator()(std::ptrdiff_t from_the_end, Adjoint adjoint) const {
        const Index position = layout.elements() - 1 - Index(from_the_end), i = layout.at(position);
        const float a = alpha[layout.channel(position)], before = layout.time(position) == 0 ? 0.0f : h[i - layout.step()];
        const float u = fabsf(c[i]) - fabsf(r[i]);
        const float through_gate = arctan_surrogate(u) * adjoint.g * ((c[i] > 0 ? a : -a) - before);
        dc[i] = (u > 0 ? adjoint.g * a * 2 * arctan_surrogate(c[i]) : 0.0f) + copysignf(1.0f, c[i]) * through_gate;
        dr[i] = -copysignf(1.0f, r[i]) * through_gate;
    }
};

template <typename Function> auto read(Function function) {
    return thrust::make_transform_iterator(thrust::counting_iterator<Index>(0), function);
}

template <typename Function> auto write(Function function) { return thrust::make_tabulate_output_iterator(function); }

// Inputs, and what the plain loop makes of them.
struct Case {
    Layout layout;
    std::vector<float> c, r, alpha, dh, h;

    explicit Case(Layout layout) : layout(layout) {
        const Index elements = layout.elements();
        for (std::vector<float> *tensor : {&c, &r, &dh, &h}) tensor->resize(elements);
        for (Index d = 0; d < layout.D; ++d) alpha.push_back(0.5f + 1.5f * uniform());
        for (Index i = 0; i < elements; ++i) {
            c[i] = 4 * uniform() - 2;
            dh[i] = 2 * uniform() - 1;
            // One step in twenty sets. A threshold lies below its candidate by a factor, or above it by a sum, and has a sign.
            const bool sets = uniform() < 0.05f;
            const float part = uniform(), magnitude = std::fabs(c[i]);
            r[i] = (sets ? magnitude * part : magnitude + part) * (uniform() < 0.5f ? -1.0f : 1.0f);
        }
        for (Index position = 0, i; position < elements; ++position) {
            i = layout.at(position);
            if (set(i)) h[i] = c[i] > 0 ? alpha[layout.channel(position)] : -alpha[layout.channel(position)];
            else h[i] = layout.time(position) == 0 ? 0.0f : h[i - layout.step()];
        }
    }

    bool set(Index i) const { return std::fabs(c[i]) > std::fabs(r[i]); }

    std::string wrong_states(const std::vector<float> &got) const {
        Index differ = 0;
        for (Index i = 0; i < layout.elements(); ++i) differ += std::memcmp(&got[i], &h[i], sizeof(float)) != 0;
        return differ == 0 ? "" : "wrong: " + std::to_string(differ) + " states differ";
    }

    std::string wrong_gradients(const std::vector<float> &dc, const std::vector<float> &dr) const {
        Index off = 0;
        double g = 0, terms = 0;
        for (Index left = layout.elements(); left-- > 0;) {
            const Index i = layout.at(left);
            if (layout.time(left) + 1 == layout.T || set(i + layout.step())) g = terms = 0;
            g += dh[i];
            terms += std::fabs(dh[i]);
            const double a = alpha[layout.channel(left)], before = layout.time(left) == 0 ? 0.0 : h[i - layout.step()];
            const double phi = arctan_surrogate(std::fabs(double(c[i])) - std::fabs(double(r[i])));
            const double through_gate = phi * g * ((c[i] > 0 ? a : -a) - before), parts = phi * (a + std::fabs(before));
            const double value = set(i) ? a * 2 * arctan_surrogate(double(c[i])) : 0.0;
            const double want_c = g * value + std::copysign(1.0, c[i]) * through_gate;
            const double want_r = -std::copysign(1.0, r[i]) * through_gate;
            // TOLERANCE of common.py, and its reason. A NaN is off, too.
            off += !(std::fabs(dc[i] - want_c) <= 1e-5 * (terms * (value + parts) + 1e-3));
            off += !(std::fabs(dr[i] - want_r) <= 1e-5 * (terms * parts + 1e-3));
        }
        return off == 0 ? "" : "wrong: " + std::to_string(off) + " gradients off";
    }

private:
    std::uint64_t state = 7;
    float uniform() { // splitmix64
        std::uint64_t bits = state += 0x9e3779b97f4a7c15;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
        return float((bits ^ (bits >> 31)) >> 40) * 0x1p-24f;
    }
};

void check(cudaError_t error) {
    if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

template <typename T> struct Memory {
    T *data = nullptr;
    std::size_t count;

    explicit Memory(std::size_t count) : count(count) { check(cudaMalloc(&data, std::max<std::size_t>(count, 1) * sizeof(T))); }
    explicit Memory(const std::vector<T> &from) : Memory(from.size()) {
        check(cudaMemcpy(data, from.data(), count * sizeof(T), cudaMemcpyHostToDevice));
    }
    Memory(const Memory &) = delete;
    ~Memory() { cudaFree(data); }

    std::vector<T> fetch() const {
        std::vector<T> to(count);
        check(cudaMemcpy(to.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost));
        return to;
    }
};

// A scan and its temporary storage, which is made once and not timed.
template <typename In, typename Out, typename Op> struct Scan {
    In in;
    Out out;
    Op op;
    Index elements;
    std::size_t bytes = storage();
    Memory<char> temporary{bytes};

    Scan(In in, Out out, Op op, Index elements) : in(in), out(out), op(op), elements(elements) {}
    void operator()() { check(cub::DeviceScan::InclusiveScan(temporary.data, bytes, in, out, op, elements)); }

private:
    std::size_t storage() {
        std::size_t bytes = 0;
        check(cub::DeviceScan::InclusiveScan(nullptr, bytes, in, out, op, elements));
        return bytes;
    }
};

double seconds(const std::function<void()> &call, int calls) {
    check(cudaDeviceSynchronize());
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    check(cudaDeviceSynchronize());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double quantile(const std::vector<double> &sorted, double at) {
    const double place = at * double(sorted.size() - 1);
    const std::size_t low = std::size_t(place), high = std::min(low + 1, sorted.size() - 1);
    return sorted[low] + (place - double(low)) * (sorted[high] - sorted[low]);
}

std::string escaped(const std::string &text) {
    std::string out;
    for (char letter : text) out += letter == '"' || letter == '\\' || letter < ' ' ? '\'' : letter;
    return out;
}

struct Report {
    std::string device;

    void line(const Layout &layout, const char *direction, const std::string &rest) const {
        std::printf("{\"peer\": \"cub %s\", \"version\": \"%d.%d.%d, CUDA %d.%d\", \"device\": \"%s\", \"direction\": \"%s\", "
                    "\"shape\": [%u, %u, %u], %s}\n",
                    layout.time_contiguous ? "[B,D,T]" : "[B,T,D]", CUB_VERSION / 100000, CUB_VERSION / 100 % 1000,
                    CUB_VERSION % 100, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, escaped(device).c_str(), direction,
                    layout.B, layout.T, layout.D, rest.c_str());
        std::fflush(stdout);
    }

    // As common.py does it: a wrong result is not timed, and a look at the clock is 5 ms or more apart.
    void row(const Layout &layout, const char *direction, const std::function<void()> &call,
             const std::function<std::string()> &wrong) const {
        call();
        if (const std::string problem = wrong(); !problem.empty())
            return line(layout, direction, "\"verified\": false, \"skipped\": \"" + problem + "\"");
        int calls = std::max(1, int(5e-3 / seconds(call, 1)));
        calls = std::max(1, int(5e-3 * calls / seconds(call, calls)));
        std::vector<double> each;
        for (int look = 0; look < 30; ++look) each.push_back(1e3 * seconds(call, calls) / calls);
        std::sort(each.begin(), each.end());
        const double ms = quantile(each, 0.5);
        char text[200];
        const char *format = "\"verified\": true, \"ms\": %.5f, \"iqr_ms\": %.5f, \"gelem_per_s\": %.5f, \"runs\": %d";
        std::snprintf(text, sizeof text, format, ms, quantile(each, 0.75) - quantile(each, 0.25), layout.elements() / ms / 1e6,
                      30 * calls);
        line(layout, direction, text);
    }
};

void run(const Report &report, const Layout &layout) {
    const Case inputs(layout);
    const Memory<float> c(inputs.c), r(inputs.r), alpha(inputs.alpha);
    const Memory<float> h(layout.elements());
    {
        Scan scan(read(ReadCode{c.data, r.data, layout}), write(WriteState{h.data, alpha.data, layout}), Later{},
                  layout.elements());
        report.row(layout, "forward", [&] { scan(); }, [&] { return inputs.wrong_states(h.fetch()); });
    }
    const Memory<float> dh(inputs.dh), dc(layout.elements()), dr(layout.elements());
    Scan scan(read(ReadAdjoint{c.data, r.data, dh.data, layout}),
              write(WriteGradients{c.data, r.data, alpha.data, h.data, dc.data, dr.data, layout}), Earlier{}, layout.elements());
    report.row(layout, "backward", [&] { scan(); }, [&] { return inputs.wrong_gradients(dc.fetch(), dr.fetch()); });
}

int main(int count, char **arguments) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) {
        std::fprintf(stderr, "no CUDA device\n");
        return 3;
    }
    const Report report{properties.name};
    for (int i = 1; i < count; ++i) {
        for (bool time_contiguous : {true, false}) {
            Layout layout{0, 0, 0, time_contiguous};
            if (std::sscanf(arguments[i], "%ux%ux%u", &layout.B, &layout.T, &layout.D) != 3) {
                std::fprintf(stderr, "%s is not BxTxD\n", arguments[i]);
                return 2;
            }
            try {
                run(report, layout);
            } catch (const std::exception &error) { // out of memory: the other shapes go on
                report.line(layout, "forward", "\"verified\": false, \"skipped\": \"failed: " + escaped(error.what()) + "\"");
            }
        }
    }
}
