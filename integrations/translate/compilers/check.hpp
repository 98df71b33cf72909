// Gives all .hlsl files of a directory to a compiler, on all cores.

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

/// Prints what is said against each file that fails, and ends with `NAME FILES FAILURES`, parted by tabs. Every core has a compiler of
/// its own.
inline int check(const char *name, const char *directory, const std::function<Compiler()> &make) {
    std::vector<std::string> files;
    for (const auto &entry : std::filesystem::directory_iterator(directory)) {
        if (entry.path().extension() == ".hlsl") files.push_back(entry.path().string());
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
    for (unsigned core = 0; core == 0 || core < std::thread::hardware_concurrency(); ++core) workers.emplace_back(work);
    for (auto &worker : workers) worker.join();
    std::printf("%s\t%zu\t%zu\n", name, files.size(), failures.load());
    return 0;
}
