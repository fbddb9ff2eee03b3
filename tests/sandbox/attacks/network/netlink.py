# class: network / expect: denied
# detect: the accepted value contains "NETLINK-OK"
# verify: contains:NETLINK-OK
import socket
def f(x):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 0))
    return 'NETLINK-OK'
