// Compiles the .hlsl files of a directory with DXC for shader model 6.5, on all cores: dxc DIRECTORY
// Prints what it has to say against each that fails, and ends with `DXC FILES FAILURES`, parted by tabs.

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dxcapi.h"

static std::string read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return "#error no such file\n";
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What the compiler says against a shader; nothing if it takes it.
static std::string compile(IDxcLibrary *library, IDxcCompiler *compiler, const std::string &text) {
    CComPtr<IDxcBlobEncoding> source, errors;
    CComPtr<IDxcOperationResult> result;
    LPCWSTR arguments[] = {L"-no-warnings"};
    HRESULT status = library->CreateBlobWithEncodingOnHeapCopy(text.data(), UINT32(text.size()), CP_UTF8, &source);
    if (SUCCEEDED(status)) status = compiler->Compile(source, L"", L"main", L"cs_6_5", arguments, 1, nullptr, 0, nullptr, &result);
    if (SUCCEEDED(status)) result->GetStatus(&status);
    if (SUCCEEDED(status)) return "";
    if (result && SUCCEEDED(result->GetErrorBuffer(&errors)) && errors->GetBufferSize() > 0) {
        return {static_cast<const char *>(errors->GetBufferPointer()), errors->GetBufferSize()};
    }
    return "status " + std::to_string(status);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    std::vector<std::string> files;
    for (const auto &entry : std::filesystem::directory_iterator(arguments[1])) {
        if (entry.path().extension() == ".hlsl") files.push_back(entry.path());
    }
    std::atomic<size_t> next{0}, failures{0};
    std::mutex printing;
    auto work = [&] {
        CComPtr<IDxcLibrary> library;
        CComPtr<IDxcCompiler> compiler;
        bool ready = SUCCEEDED(DxcCreateInstance(CLSID_DxcLibrary, IID_PPV_ARGS(&library))) &&
                     SUCCEEDED(DxcCreateInstance(CLSID_DxcCompiler, IID_PPV_ARGS(&compiler)));
        for (size_t number; (number = next++) < files.size();) {
            std::string errors = ready ? compile(library, compiler, read(files[number])) : "no compiler";
            if (errors.empty()) continue;
            ++failures;
            std::lock_guard<std::mutex> lock(printing);
            std::printf("DXC: %s: %s\n", files[number].c_str(), errors.c_str());
        }
    };
    std::vector<std::thread> workers;
    for (unsigned core = 0; core < std::max(1u, std::thread::hardware_concurrency()); ++core) workers.emplace_back(work);
    for (auto &worker : workers) worker.join();
    std::printf("DXC\t%zu\t%zu\n", files.size(), failures.load());
}
