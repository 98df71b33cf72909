// FXC, for shader model 5.1, built for Windows and run by wine: fxc.exe DIRECTORY

#include "check.hpp"

#include <windows.h>

#include <d3dcompiler.h>

int main(int count, char **arguments) {
    if (count != 2) return 2;
    // Beside this program, not the one of wine.
    auto compile = reinterpret_cast<decltype(&D3DCompile)>(GetProcAddress(LoadLibraryA("d3dcompiler_47.dll"), "D3DCompile"));
    return check("FXC", arguments[1], [=]() -> Compiler {
        return [=](const std::string &text) -> std::string {
            ID3DBlob *code = nullptr, *errors = nullptr;
            if (!compile) return "no compiler";
            HRESULT status = compile(text.data(), text.size(), nullptr, nullptr, nullptr, "main", "cs_5_1",
                                     D3DCOMPILE_ENABLE_STRICTNESS, 0, &code, &errors);
            std::string said = errors ? static_cast<const char *>(errors->GetBufferPointer()) : "no reason";
            if (code) code->Release();
            if (errors) errors->Release();
            return SUCCEEDED(status) ? "" : said;
        };
    });
}
