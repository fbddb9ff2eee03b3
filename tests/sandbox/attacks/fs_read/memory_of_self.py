# class: fs_read / expect: denied
# detect: the accepted value contains "MAPS"
# verify: contains:MAPS
def f(x):
    with open('/proc/self/maps') as file: return 'MAPS ' + file.readline()
