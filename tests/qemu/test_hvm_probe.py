"""What a guest under dom0=hvm that tries everything comes to see, and what Berth says and does about it. The probe
kernel (tests/guests/probe) does it, order by order; under dom0=native the same orders show what the machine itself does.
"""
import pytest
from hvm import probe


def test_x(case):
    with probe(case, "native", processors=2) as guest:
        for line in ["map", "places", "do vmrun", "do ud2", "rdmsr 0x1b", "rdmsr 0xc0000080", "do vmmcall", "vmmcall 0 0 0", "vmmcall-ring3 0 0 0",
                     "wrmsr 0xc0000080 0x1500", "rdmsr 0xc0000080",
                     "do stgi", "do clgi", "do stgi", "do skinit", "do invlpga", "do vmxon", "do vmsave", "do vmload",
                     "cpuid 0", "cpuid 0x40000000", "cpuid 0x80000000",
                     "msrs 0 0x1fff", "msrs 0xc0000000 0xc0001fff", "msrs 0xc0010000 0xc0011fff", "msrs 0x4b564d00 0x4b564dff",
                     "apic-id",
                     "prepare 0x10 0x2000 0", "icr 0x1000000 0x4500", "icr 0x1000000 0x4610", "arrived 0x10 1", "icr 0x1000000 0x4610", "arrived 0x10 2 100000",
                     "icr 0x1000000 0x4500","icr 0x1000000 0x4610","arrived 0x10 2",
                     "forms 0x3000000", "forms 0x3000ffd", "execute 0x3000000", "walk 0x3000000 1", "walk 0x3000000 2", "walk 0x3000000 3", "use-tables 0x3000000", "use-gates 0x3000000",
                     ]:
            print(">>", line)
            for a in guest.ask(line):
                print("   ", a)
        print(guest.vm.log.lines)
        guest.order("triple-fault")
        guest.vm.wait_exit()
