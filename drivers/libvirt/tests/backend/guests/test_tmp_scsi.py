from nova_virt_api.model.disk import Blank, Disk, DiskBus
from nova_virt_api.model.units import MiB
from lxml import etree
def test_scsi(spawn, make_spec, native):
    g = spawn(make_spec(disks=[Disk(source=Blank(), size_bytes=MiB(4), bus=DiskBus.SCSI)]*9, power_on=True))
    d = native.lookupByUUID(g.uuid.bytes)
    for f in (0, 2):
        x = etree.fromstring(d.XMLDesc(f))
        print([(c.get("index"), c.get("model")) for c in x.xpath("devices/controller[@type='scsi']")])
def test_mixed(spawn, make_spec, native):
    g = spawn(make_spec(disks=[Disk(source=Blank(), size_bytes=MiB(4), bus=b) for b in (DiskBus.SATA, DiskBus.SATA,DiskBus.USB,DiskBus.SATA,DiskBus.SCSI,DiskBus.SATA,DiskBus.SATA,DiskBus.SATA,DiskBus.SATA,DiskBus.SCSI,DiskBus.SCSI)], power_on=True))
    d = native.lookupByUUID(g.uuid.bytes)
    x = etree.fromstring(d.XMLDesc(2))
    print([(c.get("type"),c.get("index"), c.get("model")) for c in x.xpath("devices/controller[@type='scsi' or @type='sata']")])
    print([(c.find('target').get('dev'), dict(c.find('address').attrib)) for c in x.xpath("devices/disk")])
def test_user(native):
    x = "<domain type='qemu'><name>u</name><memory>16384</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices><interface type='user'><model type='virtio'/>%s</interface></devices></domain>"
    for part in ("<bandwidth><inbound average='100'/></bandwidth>", "<mtu size='1400'/>", "<driver queues='2'/>", "<link state='down'/>"):
        try:
            d = native.defineXML(x % part)
        except Exception as e:
            print(part, "define", e); continue
        try:
            d.create(); print(part, "fine", part[:6] in d.XMLDesc(0)); d.destroy()
        except Exception as e:
            print(part, "start", e)
        d.undefine()
