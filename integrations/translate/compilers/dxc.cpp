// DXC, for shader model 6.5: dxc DIRECTORY PART PARTS, a process for each part: two compilers in one end it now and then.

#include "check.hpp"
#include "dxcapi.h"

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
    if (count != 4) return 2;
    Part part{std::stoul(arguments[2]), std::stoul(arguments[3])};
    auto make = []() -> Compiler {
        CComPtr<IDxcLibrary> library;
        CComPtr<IDxcCompiler> compiler;
        if (FAILED(DxcCreateInstance(CLSID_DxcLibrary, IID_PPV_ARGS(&library))) ||
            FAILED(DxcCreateInstance(CLSID_DxcCompiler, IID_PPV_ARGS(&compiler)))) {
            return [](const std::string &) { return "no compiler"; };
        }
        return [=](const std::string &text) { return compile(library, compiler, text); };
    };
    return check("DXC", arguments[1], make, part);
}
