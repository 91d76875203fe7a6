-- Run by syslinux at every BIOS start: takes the fast kernel, unless the machine has a device that only the full one drives.

local pci = require "pci"
local syslinux = require "syslinux"

local needs_full_kernel = {
    ["8086:2922"] = "AHCI of q35",
    ["15ad:07e0"] = "AHCI of VMware",
    ["8086:100e"] = "e1000",
    ["8086:1004"] = "e1000, 82544GC",
    ["8086:100f"] = "e1000 of VMware",
    ["8086:10d3"] = "e1000e",
    ["10ec:8139"] = "rtl8139",
    ["1000:0012"] = "lsi53c895a",
    ["1000:0030"] = "LSI Logic parallel",
    ["1000:0054"] = "LSI Logic SAS",
}

local choice = "fast"
for _, device in pairs(pci.getinfo()) do
    if needs_full_kernel[string.format("%04x:%04x", device.vendor, device.product)] then
        choice = "full"
    end
end
syslinux.run_command(choice)
