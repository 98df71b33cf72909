// Gives the .hlsl files of a directory to a compiler.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// What a compiler has to say against a text; nothing if it takes it.
using Compiler = std::function<std::string(const std::string &)>;

/// A part of so many, which a process takes alone; 0 of 0 is all of it, on all cores, each with a compiler of its own.
struct Part {
    size_t number = 0, of = 0;
};

/// Prints what is said against each file that fails, and ends with `NAME FILES FAILURES`, parted by tabs.
inline int check(const char *name, const char *directory, const std::function<Compiler()> &make, Part part = {}) {
    std::vector<std::string> all, files;
    for (const auto &entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".hlsl") all.push_back(entry.path().string());
    }
    std::sort(all.begin(), all.end());
    for (size_t number = 0; number < all.size(); ++number) {
        if (part.of == 0 || number % part.of == part.number) files.push_back(all[number]);
    }
    std::atomic<size_t> next{0}, failures{0};
    std::mutex printing;
    auto work = [&] {
        Compiler compile = make();
        for (size_t number; (number = next++) < files.size();) {
            std::ifstream file(files[number], std::ios::binary);
            std::string text{std::istreambuf_iterator<char>(file), {}};
            std::string errors = text.empty() ? "nothing to read" : compile(text);
            if (errors.empty()) continue;
            ++failures;
            std::lock_guard<std::mutex> lock(printing);
            std::printf("%s: %s: %s\n", name, files[number].c_str(), errors.c_str());
        }
    };
    std::vector<std::thread> workers;
    unsigned cores = part.of == 0 ? std::max(1u, std::thread::hardware_concurrency()) : 1;
    for (unsigned core = 0; core < cores; ++core) workers.emplace_back(work);
    for (auto &worker : workers) worker.join();
    std::printf("%s\t%zu\t%zu\n", name, files.size(), failures.load());
    return 0;
}
