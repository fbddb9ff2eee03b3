# class: fs_read / expect: denied
# detect: the accepted value contains "EXISTS" (a yes or no about a path is a read)
# verify: contains:EXISTS
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    room = ctypes.create_string_buffer(512)
    for number, args in ((4, (b'/etc/passwd', room)), (6, (b'/etc/passwd', room)), (21, (b'/etc/passwd', 0)), (89, (b'/proc/self/exe', room, 512)), (137, (b'/', room)), (191, (b'/etc/passwd', b'user.x', room, 512)), (262, (-100, b'/etc/passwd', room, 0)), (269, (-100, b'/etc/passwd', 0)), (332, (-100, b'/etc/passwd', 0, 0xfff, room)), (79, (room, 512)), (80, (b'/etc',))):
        if libc.syscall(number, *args) >= 0: return 'EXISTS %d' % number
    return 'blocked %d' % ctypes.get_errno()
