# shellcheck shell=bash
# Sourced: installs the software adapters on Debian, and points the Vulkan loader at them.

# shellcheck source=scripts/packages.sh
source scripts/packages.sh
# Mesa's lavapipe (Vulkan) and llvmpipe (OpenGL through EGL); Chromium brings SwiftShader.
packages libvulkan1 mesa-vulkan-drivers libegl1 libgles2 libgl1-mesa-dri chromium

export VK_ADD_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json
# EGL wants one.
if [[ -z ${XDG_RUNTIME_DIR:-} ]]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
fi
export BMRU_ADAPTERS=llvmpipe@vulkan,swiftshader@vulkan,llvmpipe@gl
