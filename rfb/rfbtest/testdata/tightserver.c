// A display of libvncserver's that offers the Tight security type beside its
// own: tightserver PORT [PASSWORD]. Needs libvncserver-dev.
#include <rfb/rfb.h>

int main(int argc, char **argv)
{
	static char *passwords[2];
	int none = 0;
	rfbScreenInfoPtr screen;

	if (argc < 2)
		return 2;
	rfbRegisterTightVNCFileTransferExtension();
	screen = rfbGetScreen(&none, NULL, 32, 32, 8, 3, 4);
	if (!screen || !(screen->frameBuffer = calloc(32 * 32, 4)))
		return 1;
	screen->desktopName = "transcript";
	screen->listenInterface = htonl(INADDR_LOOPBACK);
	screen->port = atoi(argv[1]);
	screen->ipv6port = -1;
	if (argc > 2) {
		passwords[0] = argv[2];
		screen->authPasswdData = passwords;
		screen->passwordCheck = rfbCheckPasswordByList;
	}
	rfbInitServer(screen);
	rfbRunEventLoop(screen, -1, FALSE);
	return 0;
}
